"""Bring programmes to where only the gain is missing, and find the gain that an album shares."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studio_pipelines.media.audio import AudioClip
from studio_pipelines.media.audio_blocks import ReportShare, Samples
from studio_pipelines.media.audio_chain import ReportProgress, part_of, within
from studio_pipelines.media.audio_encoding import AudioEncoding
from studio_pipelines.media.loudness import Loudness
from studio_pipelines.media.mastering_file import first_aim
from studio_pipelines.media.mastering_plan import MasteringPlan, plan_master
from studio_pipelines.media.mastering_target import MasteringSettings, measure_programme
from studio_pipelines.media.programme import Programme
from studio_pipelines.media.shaping import ShapingRecord, shaped


@dataclass(frozen=True, eq=False)
class Prepared:
    """A programme that is ready for its gain.

    Attributes:
        before: What it measured as it came.
        programme: As it is now.
        shaping: What was done to it.
    """

    before: Loudness
    programme: Programme
    shaping: ShapingRecord


def prepared(
    samples: Samples,
    sample_rate_hz: int,
    wanted_hz: int,
    settings: MasteringSettings,
    folder: Path | None,
    report_progress: ReportProgress | None = None,
) -> Prepared:
    """Measure a programme and shape it; see ``master_file`` for arguments and errors."""
    measuring = part_of(report_progress, 0.0, 0.4, "measuring")
    source = measure_programme(samples, sample_rate_hz, settings, measuring)
    programme, record = shaped(
        source,
        wanted_hz,
        settings.shaping,
        lra_lu=None if settings.mode == "linear" else settings.target.lra_lu,
        folder=folder,
        report_progress=within(report_progress, 0.4, 1.0),
    )
    return Prepared(source.loudness, programme, record)


def prepared_track(
    clip: AudioClip, settings: MasteringSettings, encoding: AudioEncoding, folder: Path
) -> Programme:
    """Prepare a track of an album, for its plan; see ``master_file`` for arguments and errors."""
    encoding.require_room_for(clip.channels)
    rate = encoding.sample_rate_hz(clip.sample_rate_hz)
    return prepared(clip.samples, clip.sample_rate_hz, rate, settings, folder).programme


def plan_album(
    tracks: Sequence[Programme],
    settings: MasteringSettings,
    encoding: AudioEncoding,
    report_share: ReportShare | None = None,
) -> MasteringPlan:
    """Find the one gain that brings an album to its target, each track under the ceiling.

    Args:
        tracks: As ``prepared`` gives them.
        settings: Target and mode, of the album.
        encoding: Format of the files.
        report_share: Called with the share done before each block; may raise to cancel.
    """
    aims = [first_aim(settings, encoding, track.sample_rate_hz) for track in tracks]
    lowest = min(aims, key=lambda aim: aim.ceiling_db)
    return plan_master(tracks, settings.mode, lowest, report_share)
