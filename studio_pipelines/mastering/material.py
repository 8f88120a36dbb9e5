"""The sounds of a mastering job: decoded, the reference measured, an album's tracks prepared."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from resources.progress import Progress
from studio_pipelines.errors import InvalidParameter, StudioError
from studio_pipelines.mastering.parameters import AudioMaster, encoding_of, settings_of

if TYPE_CHECKING:
    from studio_pipelines.media.audio import AudioClip
    from studio_pipelines.media.mastering_plan import MasteringPlan
    from studio_pipelines.media.programme import Programme
    from studio_pipelines.media.reference_match import Reference

# A sound beyond this lies in a scratch file, of which a few blocks at a time are in memory.
IN_MEMORY_BYTES = 128 << 20


def decoded(
    artifacts: ArtifactStore, artifact: Artifact, field: str, in_memory_bytes: int = IN_MEMORY_BYTES
) -> "AudioClip":
    """Decode a sound in the confined helper; see ``Decoder.audio`` for its errors."""
    from studio_pipelines.media.limits import media_limits
    from studio_pipelines.media.shared_decoder import shared_decoder

    limits = replace(media_limits(), in_memory_bytes=in_memory_bytes)
    with artifacts.local_path(artifact) as path:
        return shared_decoder().audio(path, field=field, limits=limits)


def measured_reference(
    artifacts: ArtifactStore, reference: Artifact | None, params: AudioMaster
) -> "Reference | None":
    """Measure what to match, if anything.

    Raises:
        InvalidParameter: A match is asked for, and there is no reference.
    """
    from studio_pipelines.media.reference_match import measure_reference

    if reference is None:
        if params.match is not None:
            raise InvalidParameter("match needs a reference, and there is none", field="reference")
        return None
    clip = decoded(artifacts, reference, "reference")
    return measure_reference(clip.samples, clip.sample_rate_hz, clip.channel_layout)


def album_plan(
    artifacts: ArtifactStore,
    items: Sequence[Artifact],
    params: AudioMaster,
    reference: "Reference | None",
    folder: Path,
    progress: Progress,
) -> "MasteringPlan | None":
    """Find the gain that all tracks of an album get; a track that is unusable says so later."""
    from studio_pipelines.media.mastering_preparation import plan_album, prepared_track

    encoding, tracks = encoding_of(params), list["Programme"]()
    for number, item in enumerate(items, 1):
        progress.report(0.0, f"measuring track {number} of {len(items)}")
        try:
            clip = decoded(artifacts, item, "audio", in_memory_bytes=0)
            settings = settings_of(params, clip.channel_layout, reference)
            tracks.append(prepared_track(clip, settings, encoding, folder))
        except StudioError as fault:
            if not fault.is_of_one_item:
                raise
    progress.report(0.0, "finding the album's gain")
    return plan_album(tracks, settings_of(params, "", reference), encoding) if tracks else None
