"""A separation's figures, as they are told: camelCase, two decimals, null for what is silent."""

import math
from typing import Any

from studio_pipelines.media.audio import AudioClip
from studio_pipelines.media.demixing import Demix
from studio_pipelines.media.loudness import decibels
from studio_pipelines.media.stem_files import DemixSettings

RESIDUAL_TARGET_DB = -80.0
"""Stems that are to add up to the sound must do so to this, before they are encoded."""


def metrics(demix: Demix) -> dict[str, Any]:
    """Give what was done to the sound."""
    remainder, known = demix.plan.family.remainder, demix.offer.made_by
    usual = {remainder: "sound less the other stems"}
    made_by = {name: known.get(name, usual.get(name, "network")) for name in demix.plan.kept}
    return {
        "inferMs": round(1000 * demix.infer_s, 1),
        "sampleRate": demix.sample_rate_hz,
        "channels": demix.channels,
        "frames": demix.frames,
        "gainDb": _figure(decibels(demix.written.gain)),
        "clippedSamples": demix.written.clipped_samples,
        "madeBy": made_by,
    }


def verification(demix: Demix) -> dict[str, Any]:
    """Give what the stems and their files measure.

    A division whose last stem is found by subtraction must add up to the sound; one that a network
    makes alone need not, and its residual is told.
    """
    target_db = None if demix.plan.family.remainder is None else RESIDUAL_TARGET_DB
    adds_up = target_db is None or demix.residual_db <= target_db
    levels = demix.check.levels
    has_length = all(level.frames == demix.frames for level in levels.values())
    encoded_db = demix.check.residual_db
    return {
        "passed": adds_up and has_length,
        "residualDb": _figure(demix.residual_db),
        "residualTargetDb": target_db,
        "encodedResidualDb": None if encoded_db is None else _figure(encoded_db),
        "lengthKept": has_length,
        "stems": {
            name: {
                "integratedLufs": _figure(level.integrated_lufs),
                "samplePeakDb": _figure(level.sample_peak_db),
            }
            for name, level in levels.items()
        },
    }


def notes(clip: AudioClip, demix: Demix, settings: DemixSettings) -> tuple[str, ...]:
    """Give the sentences that a person should know of."""
    told = list(clip.notes)
    if clip.channels > 2:
        told.append(
            f"The {clip.channels} channels ({clip.channel_layout}) were mixed to stereo "
            "(ITU-R BS.775) before they were separated."
        )
    wanted_hz = settings.sample_rate_hz or clip.sample_rate_hz
    if demix.sample_rate_hz != wanted_hz:
        told.append(
            f"{settings.encoding.format} cannot hold {wanted_hz} samples a second; the files have "
            f"{demix.sample_rate_hz}."
        )
    if min(demix.sample_rate_hz, clip.sample_rate_hz) > demix.model_rate_hz:
        place, top_hz = demix.plan.family.remainder or "no stem", demix.model_rate_hz // 2
        told.append(f"The model hears up to {top_hz} Hz; what is above is in {place}.")
    if demix.written.gain < 1:
        lowered_db = -decibels(demix.written.gain)
        told.append(
            f"All stems were lowered by {lowered_db:.2f} dB, for one would have been beyond full "
            "scale."
        )
    if demix.written.clipped_samples:
        told.append(f"{demix.written.clipped_samples} samples beyond full scale were cut off.")
    if not any(math.isfinite(level.sample_peak_db) for level in demix.check.levels.values()):
        told.append("The sound is silent, and so are its stems.")
    return tuple(told)


def _figure(value: float) -> float | None:
    return round(value, 2) if math.isfinite(value) else None
