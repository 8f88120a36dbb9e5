"""What is done to a programme's sound before its gain: rate, equaliser, compression, width, range.

That is the order, too: sample rate, equaliser (tone controls and match), compression, width,
loudness range; gain, limiter and dither follow. A step that is not asked for is left out; with none
at all the samples pass untouched. What a step must know of the programme is measured while the step
before it is written, so that an hour takes a scratch file and a few passes over it, and no memory.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from studio_pipelines.errors import InvalidParameter
from studio_pipelines.media.audio_blocks import ReportShare, Samples, blocks_of, scratch_copy
from studio_pipelines.media.audio_chain import ReportProgress, Resampler, Stage, part_of, render
from studio_pipelines.media.compressor import BandLevels, CompressionReport, MultibandCompressor
from studio_pipelines.media.equaliser import EqCurve, ToneControls
from studio_pipelines.media.loudness import LoudnessMeter
from studio_pipelines.media.loudness_range import Leveller, Levelling, plan_levelling
from studio_pipelines.media.minimum_phase_filter import MinimumPhaseFilter
from studio_pipelines.media.programme import Programme
from studio_pipelines.media.reference_match import Reference, match_curve, match_width
from studio_pipelines.media.spectrum import third_octave_spectrum
from studio_pipelines.media.stereo_width import StereoImage, Width

FLAT = ToneControls()


@dataclass(frozen=True, eq=False)
class Shaping:
    """What to do to the sound.

    Attributes:
        tone: The tone controls.
        reference: What to match, or None.
        match: Share of the reference's tone and width that is taken over, 0 to 1.
        compress: Amount of compression, 0 (none) to 1.
        width: Factor of the side of a stereo programme, 0 (mono) to 2, beside the match.
    """

    tone: ToneControls = FLAT
    reference: Reference | None = None
    match: float = 1.0
    compress: float = 0.0
    width: float = 1.0

    def require_channels(self, channels: int) -> None:
        """Raise InvalidParameter where a width is asked for that the sound cannot have."""
        if self.width != 1.0 and channels != 2:
            raise InvalidParameter(
                f"a width of {self.width:g} needs 2 channels; the sound has {channels}",
                field="width",
                hint="Leave width out.",
            )


UNSHAPED = Shaping()


@dataclass(frozen=True, eq=False)
class ShapingRecord:
    """What was done to the sound.

    Attributes:
        curve: What the equaliser did, or None.
        compression: What the compressor did, or None.
        width: Factor of the side.
        levelling: How the loudness range was narrowed, or None.
        side_to_mid_db: Width of the stereo programme before, None of others.
    """

    curve: EqCurve | None = None
    compression: CompressionReport | None = None
    width: float = 1.0
    levelling: Levelling | None = None
    side_to_mid_db: float | None = None


class _Meter(Protocol):
    def update(self, samples: Samples, /) -> None: ...


def shaped(
    programme: Programme,
    wanted_hz: int,
    shaping: Shaping,
    *,
    lra_lu: float | None = None,
    folder: Path | None = None,
    report_progress: ReportProgress | None = None,
) -> tuple[Programme, ShapingRecord]:
    """Do to a programme all that comes before its gain.

    Args:
        programme: It is not changed.
        wanted_hz: Sample rate of the result.
        shaping: What to do.
        lra_lu: Loudness range to level a wider programme to, or None.
        folder: For an unlinked scratch file; None is the system's folder for temporary files.
        report_progress: Called with the share done, 0 to 1, and what is being done.

    Raises:
        InvalidParameter: A width is asked for, and the sound is not stereo.
    """
    shaping.require_channels(programme.channels)
    result, record = programme, ShapingRecord()
    first = _resampling(programme, wanted_hz)
    curve = _curve(programme, shaping, part_of(report_progress, 0.0, 0.1, "analysing"))
    if curve is not None:
        first.append(MinimumPhaseFilter(curve, wanted_hz, programme.channels))
    if first or shaping.compress or shaping.width != 1.0 or shaping.reference:
        result, record = _written(programme, wanted_hz, first, shaping, folder, report_progress)
        record = replace(record, curve=curve)
    if lra_lu is not None and result.loudness.lra_lu > lra_lu:
        levelling = plan_levelling(result.loudness, lra_lu)
        stage = Leveller(levelling, wanted_hz, programme.channels)
        share = part_of(report_progress, 0.8, 1.0, "levelling")
        if result is programme:
            copied = scratch_copy(blocks_of(programme.samples), programme.channels, folder)
            result = replace(programme, samples=copied)
        result = _rewritten(result, [stage], share)
        record = replace(record, levelling=levelling)
    return result, record


def _resampling(programme: Programme, wanted_hz: int) -> list[Stage]:
    if programme.sample_rate_hz == wanted_hz:
        return []
    return [Resampler(programme.sample_rate_hz, wanted_hz, programme.channels)]


def _curve(
    programme: Programme, shaping: Shaping, report_share: ReportShare | None
) -> EqCurve | None:
    curve = None if shaping.tone.is_flat else shaping.tone.curve()
    if shaping.reference is None or not shaping.match:
        return curve
    blocks = blocks_of(programme.samples, report_share)
    spectrum = third_octave_spectrum(blocks, programme.sample_rate_hz)
    matched = match_curve(spectrum, shaping.reference.spectrum, shaping.match)
    return matched if curve is None else matched + curve


def _written(
    programme: Programme,
    rate: int,
    first: Sequence[Stage],
    shaping: Shaping,
    folder: Path | None,
    report_progress: ReportProgress | None,
) -> tuple[Programme, ShapingRecord]:
    """Write the first stages' output to a scratch file, then run compression and width on it."""
    channels, weights = programme.channels, programme.weights
    levels, image = BandLevels(rate, weights), StereoImage()
    meters: list[_Meter] = [image, levels] if shaping.compress else [image]
    blocks = render(programme.samples, first, part_of(report_progress, 0.1, 0.5, "shaping"))
    samples = scratch_copy(_heard_by(meters, blocks), channels, folder)
    stages: list[Stage] = []
    compressor = None
    if shaping.compress:
        compressor = MultibandCompressor(rate, weights, shaping.compress, levels.levels_db())
        stages.append(compressor)
    width = shaping.width
    if shaping.reference is not None:
        width *= match_width(image, shaping.reference, shaping.match)
    if width != 1.0:
        stages.append(Width(width))
    written = replace(programme, samples=samples, sample_rate_hz=rate)
    result = _rewritten(written, stages, part_of(report_progress, 0.5, 0.8, "shaping"))
    return result, ShapingRecord(
        compression=compressor.report() if compressor else None,
        width=width,
        side_to_mid_db=image.side_to_mid_db if channels == 2 else None,
    )


def _rewritten(
    programme: Programme, stages: Sequence[Stage], report_share: ReportShare | None
) -> Programme:
    """Run a scratch programme through stages in place, and measure what comes out."""
    meter = LoudnessMeter(programme.sample_rate_hz, programme.weights)
    position = 0
    for block in _heard_by([meter], render(programme.samples, stages, report_share)):
        if stages:
            programme.samples[position : position + len(block)] = block
        position += len(block)
    return replace(programme, loudness=meter.result())


def _heard_by(meters: Iterable[_Meter], blocks: Iterable[Samples]) -> Iterator[Samples]:
    for block in blocks:
        for meter in meters:
            meter.update(block)
        yield block
