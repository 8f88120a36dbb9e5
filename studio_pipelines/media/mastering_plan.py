"""Find what brings a programme to its target: a gain, and where it must be, a limiter.

A gain alone is exact: the gated loudness after it follows from the energies that were measured. A
limiter takes loudness away, how much is only known by running it. A model of it on 10 ms steps
proposes the gain, the limiter is run, and what the model was wrong by is added to it until what
comes out is on target (space mapping; Bandler et al., 1994). What a limiter takes away is bounded,
so that a target out of the programme's reach is said and not forced.
"""

from collections.abc import Callable
from dataclasses import dataclass

from studio_pipelines.media.audio_chain import Gain, ReportShare, Samples, Stage, render
from studio_pipelines.media.k_weighting import channel_weights
from studio_pipelines.media.limiter import TruePeakLimiter
from studio_pipelines.media.limiter_model import modelled_limited_lufs
from studio_pipelines.media.loudness import EnergyMeter, Loudness, amplitude, integrated_lufs
from studio_pipelines.media.mastering_target import TOLERANCE_LU, MasteringSettings

MOST_LIMITING_LU = 8.0
"""A limiter that takes more loudness than this makes distortion its loudest part."""
_TRUSTED_LU = 0.2
"""So near, the model's slope is right to a few hundredths of an LU: no further trial is needed."""
_MOST_PASSES = 8
_SEARCH_RANGE_DB = 100.0
_GAIN_STEP_DB = 0.002
_ROUNDING_DB = 1e-5  # of a gain in float32, on the true peak


@dataclass(frozen=True)
class Aim:
    """Where to bring a programme; unlike a ``MasteringTarget`` it may be any value.

    Attributes:
        loudness_lufs: Integrated loudness.
        ceiling_db: True peak, dBTP.
    """

    loudness_lufs: float
    ceiling_db: float


@dataclass(frozen=True)
class MasteringPlan:
    """What is done to the samples, and what it is expected to give.

    Attributes:
        gain_db: Gain before the limiter.
        ceiling_db: What the limiter holds the true peak under; None is no limiter.
        integrated_lufs: Loudness that was found for it.
        reached: Whether that is the target.
        reason: Why it is done so, in a sentence; where the target is missed, why.
        passes: How often the limiter was tried on the whole programme.
    """

    gain_db: float
    ceiling_db: float | None
    integrated_lufs: float
    reached: bool
    reason: str
    passes: int = 0

    def stages(self, channels: int, limiter: TruePeakLimiter | None) -> list[Stage]:
        """Put the chain together, in the order of processing."""
        gain = Gain(self.gain_db, channels)
        return [gain] if limiter is None else [gain, limiter]

    def limiter(self, sample_rate_hz: int, channels: int) -> TruePeakLimiter | None:
        """Make the limiter, if there is one."""
        if self.ceiling_db is None:
            return None
        return TruePeakLimiter(sample_rate_hz, channels, amplitude(self.ceiling_db))


@dataclass(frozen=True)
class _Trial:
    """What a gain into the limiter gave.

    Attributes:
        gain_db: The gain.
        integrated_lufs: Loudness behind the limiter.
        room_db: How much louder it may get: to the target, or to the most limiting.
    """

    gain_db: float
    integrated_lufs: float
    room_db: float


def loudness_after_gain(before: Loudness, gain_db: float) -> float:
    """Give the integrated loudness after a gain; the absolute gate makes it more than a sum."""
    return integrated_lufs(before.step_energies * amplitude(gain_db) ** 2)


def linear_gain_db(before: Loudness, target_lufs: float) -> float:
    """Find the gain that brings the integrated loudness to a target."""
    gain_db = target_lufs - before.integrated_lufs
    for _ in range(8):  # each round admits or drops the blocks that the last one moved past -70
        missing_lu = target_lufs - loudness_after_gain(before, gain_db)
        if not 1e-9 < abs(missing_lu) < 100:
            break
        gain_db += missing_lu
    return gain_db


def plan_master(
    samples: Samples,
    sample_rate_hz: int,
    settings: MasteringSettings,
    before: Loudness,
    aim: Aim,
    report_share: ReportShare | None = None,
) -> MasteringPlan:
    """Decide between gain and limiter, and find the gain.

    Args:
        samples: (frames, channels) float32.
        sample_rate_hz: Samples a second.
        settings: The mode, and how loudness is counted.
        before: What ``samples`` measure.
        aim: Where to bring them.
        report_share: Called with the share done before each block; may raise to cancel.
    """
    gain_db = linear_gain_db(before, aim.loudness_lufs)
    room_db = aim.ceiling_db - before.true_peak_db - _ROUNDING_DB
    peak = f"the true peak to {before.true_peak_db + gain_db:+.1f} dBTP"
    if gain_db <= room_db:
        reason = f"A gain of {gain_db:+.1f} dB reaches the target and brings {peak}: no limiting."
        return MasteringPlan(gain_db, None, aim.loudness_lufs, reached=True, reason=reason)
    if settings.mode == "linear":
        return _held_by_ceiling(before, aim, room_db, peak)

    best, passes = _search(samples, sample_rate_hz, settings, before, aim, report_share)
    missing_lu = aim.loudness_lufs - best.integrated_lufs
    reached = abs(missing_lu) <= TOLERANCE_LU
    reason = f"A gain of {gain_db:+.1f} dB would bring {peak}: the peaks were limited."
    if not reached:
        reason = (
            f"The target is {missing_lu:+.1f} LU away: going on would take more than "
            f"{MOST_LIMITING_LU:g} LU from this programme by limiting, which would distort it."
        )
    return MasteringPlan(
        best.gain_db, aim.ceiling_db, best.integrated_lufs, reached, reason, passes
    )


def _held_by_ceiling(before: Loudness, aim: Aim, room_db: float, peak: str) -> MasteringPlan:
    lufs = loudness_after_gain(before, room_db)
    reached = abs(lufs - aim.loudness_lufs) <= TOLERANCE_LU
    reason = (
        f"The target would bring {peak}, above the ceiling of {aim.ceiling_db:.1f} dBTP, and the "
        f"linear mode does not limit: the gain stops at {room_db:+.1f} dB and {lufs:.1f} LUFS."
    )
    return MasteringPlan(room_db, None, lufs, reached, reason)


def _limited_lufs(
    samples: Samples,
    sample_rate_hz: int,
    settings: MasteringSettings,
    gain_db: float,
    aim: Aim,
    report_share: ReportShare | None,
) -> float:
    channels = samples.shape[1]
    weights = channel_weights(channels, settings.channel_layout, dual_mono=settings.dual_mono)
    meter = EnergyMeter(sample_rate_hz, weights)
    limiter = TruePeakLimiter(sample_rate_hz, channels, amplitude(aim.ceiling_db), is_draft=True)
    for block in render(samples, [Gain(gain_db, channels), limiter], report_share):
        meter.update(block)
    return integrated_lufs(meter.step_energies)


def _search(
    samples: Samples,
    sample_rate_hz: int,
    settings: MasteringSettings,
    before: Loudness,
    aim: Aim,
    report_share: ReportShare | None,
) -> tuple[_Trial, int]:
    """Find the gain that leaves no room; give the best trial and the number of trials."""
    model_error_lu = 0.0
    trials: list[_Trial] = []

    def trial(gain_db: float, lufs: float) -> _Trial:
        taken_lu = loudness_after_gain(before, gain_db) - lufs
        room_db = min(aim.loudness_lufs - lufs, MOST_LIMITING_LU - taken_lu)
        return _Trial(gain_db, lufs, room_db)

    def modelled_room_db(gain_db: float) -> float:
        lufs = modelled_limited_lufs(before, gain_db, aim.ceiling_db) + model_error_lu
        return trial(gain_db, lufs).room_db

    lowest_db = aim.ceiling_db - before.true_peak_db  # from here on the limiter works
    while len(trials) < _MOST_PASSES:
        gain_db = _root(modelled_room_db, lowest_db, lowest_db + _SEARCH_RANGE_DB)
        if trials and abs(trials[-1].room_db) <= _TRUSTED_LU:
            lufs = modelled_limited_lufs(before, gain_db, aim.ceiling_db) + model_error_lu
            return trial(gain_db, lufs), len(trials)
        share = _pass_share(report_share, len(trials))
        lufs = _limited_lufs(samples, sample_rate_hz, settings, gain_db, aim, share)
        trials.append(trial(gain_db, lufs))
        model_error_lu = lufs - modelled_limited_lufs(before, gain_db, aim.ceiling_db)
    return min(trials, key=lambda t: abs(t.room_db)), len(trials)


def _root(falling: Callable[[float], float], low: float, high: float) -> float:
    """Find where a falling function passes zero, or the end that is nearer to it."""
    while high - low > _GAIN_STEP_DB:
        middle = (low + high) / 2
        if falling(middle) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _pass_share(report_share: ReportShare | None, passes: int) -> ReportShare | None:
    """Let each pass cover half of what is left, for how many there will be is unknown."""
    if report_share is None:
        return None
    return lambda share: report_share(1 - 0.5 ** (passes + share))
