"""Find what brings a programme to its target: a gain, and where it must be, a limiter.

A gain alone is exact: the gated loudness after it follows from the energies that were measured. A
limiter takes loudness away, how much is only known by running it. A model of it on 10 ms steps
proposes the gain, the limiter is run, and what the model was wrong by is added to it until what
comes out is on target (space mapping; Bandler et al., 1994). What a limiter takes away is bounded,
so that a target out of the programme's reach is said and not forced.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.media.album import album_loudness
from studio_pipelines.media.audio_blocks import ReportShare
from studio_pipelines.media.audio_chain import Gain, Stage, render, share_between
from studio_pipelines.media.limiter import TruePeakLimiter
from studio_pipelines.media.limiter_model import modelled_limited_lufs
from studio_pipelines.media.loudness import EnergyMeter, Loudness, amplitude
from studio_pipelines.media.loudness_gating import integrated_lufs
from studio_pipelines.media.mastering_target import TOLERANCE_LU, Mode
from studio_pipelines.media.programme import Programme

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
    """Where to bring tracks; unlike a ``MasteringTarget`` it may be any value.

    Attributes:
        loudness_lufs: Integrated loudness of all together.
        ceiling_db: True peak of each, dBTP.
    """

    loudness_lufs: float
    ceiling_db: float


@dataclass(frozen=True)
class MasteringPlan:
    """What is done to the level of one or more tracks, and what it is expected to give.

    Attributes:
        gain_db: Gain before the limiter, the same for all.
        ceiling_db: What the limiter holds the true peak under; None is no limiter.
        integrated_lufs: Loudness that was found for it.
        reached: Whether that is the target.
        mode_reason: Why it is limited, or not.
        missed_because: Where the target is out of reach, why; else nothing.
        passes: How often the limiter was tried on all tracks.
    """

    gain_db: float
    ceiling_db: float | None
    integrated_lufs: float
    reached: bool
    mode_reason: str
    missed_because: str = ""
    passes: int = 0

    def stages(self, programme: Programme, limiter: TruePeakLimiter | None) -> list[Stage]:
        """Put the chain together, in the order of processing."""
        gain = Gain(self.gain_db, programme.channels)
        return [gain] if limiter is None else [gain, limiter]

    def limiter(self, programme: Programme) -> TruePeakLimiter | None:
        """Make the limiter, if there is one."""
        if self.ceiling_db is None:
            return None
        ceiling = amplitude(self.ceiling_db)
        return TruePeakLimiter(programme.sample_rate_hz, programme.channels, ceiling)


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
    tracks: Sequence[Programme], mode: Mode, aim: Aim, report_share: ReportShare | None = None
) -> MasteringPlan:
    """Decide between gain and limiter, and find the gain.

    Args:
        tracks: A programme, or the tracks of an album, which are brought to the aim together.
        mode: See ``MasteringSettings``.
        aim: Where to bring them.
        report_share: Called with the share done before each block; may raise to cancel.
    """
    before = album_loudness([track.loudness for track in tracks])
    gain_db = linear_gain_db(before, aim.loudness_lufs)
    room_db = aim.ceiling_db - before.true_peak_db - _ROUNDING_DB
    peak = f"the true peak to {before.true_peak_db + gain_db:+.1f} dBTP"
    ceiling = f"the ceiling of {aim.ceiling_db:.1f} dBTP"
    if gain_db <= room_db:
        why = f"A gain of {gain_db:+.1f} dB brings {peak}, not above {ceiling}: no limiting."
        return MasteringPlan(gain_db, None, aim.loudness_lufs, reached=True, mode_reason=why)
    too_much = f"A gain of {gain_db:+.1f} dB would bring {peak}, above {ceiling}"
    if mode == "linear":
        return _held_by_ceiling(before, aim, room_db, too_much)
    return _limited(_Search(tracks, before, aim, room_db), too_much, report_share)


def _limited(search: "_Search", too_much: str, report_share: ReportShare | None) -> MasteringPlan:
    best = search.best(report_share)
    missing_lu = search.aim.loudness_lufs - best.integrated_lufs
    reached = abs(missing_lu) <= TOLERANCE_LU
    missed = (
        f"The target is {missing_lu:+.1f} LU away: going on would take more than "
        f"{MOST_LIMITING_LU:g} LU from this programme by limiting, which would distort it."
    )
    return MasteringPlan(
        best.gain_db,
        search.aim.ceiling_db,
        best.integrated_lufs,
        reached,
        f"{too_much}: the peaks are limited.",
        "" if reached else missed,
        len(search.trials),
    )


def _held_by_ceiling(before: Loudness, aim: Aim, room_db: float, too_much: str) -> MasteringPlan:
    lufs = loudness_after_gain(before, room_db)
    reached = abs(lufs - aim.loudness_lufs) <= TOLERANCE_LU
    why = (
        f"{too_much}, and the linear mode does not limit: "
        f"the gain stops at {room_db:+.1f} dB and {lufs:.1f} LUFS."
    )
    return MasteringPlan(room_db, None, lufs, reached, why, "" if reached else why)


class _Search:
    """The search for the gain that leaves no room before the limiter."""

    def __init__(
        self, tracks: Sequence[Programme], before: Loudness, aim: Aim, room_db: float
    ) -> None:
        self.aim = aim
        self._tracks = tracks
        self._before = before
        self._lowest_db = room_db  # from here on the limiter works
        self._model_error_lu = 0.0
        self.trials: list[_Trial] = []

    def best(self, report_share: ReportShare | None) -> _Trial:
        """Find it, by trials where the model is not enough."""
        while len(self.trials) < _MOST_PASSES:
            highest_db = self._lowest_db + _SEARCH_RANGE_DB
            gain_db = _root(self._modelled_room_db, self._lowest_db, highest_db)
            modelled_lufs = modelled_limited_lufs(self._before, gain_db, self.aim.ceiling_db)
            if self.trials and abs(self.trials[-1].room_db) <= _TRUSTED_LU:
                return self._trial(gain_db, modelled_lufs + self._model_error_lu)
            share = _pass_share(report_share, len(self.trials))
            lufs = self._limited_lufs(gain_db, share)
            self.trials.append(self._trial(gain_db, lufs))
            self._model_error_lu = lufs - modelled_lufs
        return min(self.trials, key=lambda trial: abs(trial.room_db))

    def _trial(self, gain_db: float, lufs: float) -> _Trial:
        taken_lu = loudness_after_gain(self._before, gain_db) - lufs
        room_db = min(self.aim.loudness_lufs - lufs, MOST_LIMITING_LU - taken_lu)
        return _Trial(gain_db, lufs, room_db)

    def _modelled_room_db(self, gain_db: float) -> float:
        lufs = modelled_limited_lufs(self._before, gain_db, self.aim.ceiling_db)
        return self._trial(gain_db, lufs + self._model_error_lu).room_db

    def _limited_lufs(self, gain_db: float, report_share: ReportShare | None) -> float:
        """Run gain and limiter over all tracks."""
        whole_s = sum(track.duration_s for track in self._tracks)
        energies: list[NDArray[np.float64]] = []
        before_s = 0.0
        ceiling = amplitude(self.aim.ceiling_db)
        for track in self._tracks:
            rate = track.sample_rate_hz
            limiter = TruePeakLimiter(rate, track.channels, ceiling, is_draft=True)
            meter = EnergyMeter(rate, track.weights)
            parts = (before_s / whole_s, (before_s + track.duration_s) / whole_s)
            share = share_between(report_share, *parts)
            for block in render(track.samples, [Gain(gain_db, track.channels), limiter], share):
                meter.update(block)
            energies.append(meter.step_energies)
            before_s += track.duration_s
        return integrated_lufs(np.concatenate(energies))


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
