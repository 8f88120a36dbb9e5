"""What the helper wrote, as the records that operations work with."""

from base64 import b64decode
from dataclasses import dataclass
from typing import Any, cast

from studio_pipelines.media.audio import AudioClip, Samples
from studio_pipelines.media.decoder_messages import Message
from studio_pipelines.media.lut_table import Float3, Lut
from studio_pipelines.media.picture import Picture, Pixels


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the helper wrote, and what it says about it."""

    array: Any
    details: Message
    source_format: str


def picture_of(decoded: Decoded) -> Picture:
    """Return a decoded picture."""
    details = decoded.details
    density = details["density_dpi"]
    return Picture(
        pixels=cast("Pixels", decoded.array),
        icc_profile=_blob(details["icc_profile"]),
        exif=_blob(details["exif"]),
        density_dpi=(float(density[0]), float(density[1])) if density else None,
        source_format=decoded.source_format,
        has_non_finite=bool(details["has_non_finite"]),
        notes=tuple(str(note) for note in details["notes"]),
    )


def clip_of(decoded: Decoded) -> AudioClip:
    """Return a decoded sound."""
    details = decoded.details
    return AudioClip(
        samples=cast("Samples", decoded.array),
        sample_rate_hz=int(details["sample_rate_hz"]),
        channel_layout=str(details["channel_layout"]),
        source_format=decoded.source_format,
        codec=str(details["codec"]),
        tags={str(key): str(value) for key, value in details["tags"].items()},
        has_non_finite=bool(details["has_non_finite"]),
        notes=tuple(str(note) for note in details["notes"]),
    )


def lut_of(decoded: Decoded) -> Lut:
    """Return a decoded look-up table; what it holds is checked anew."""
    details = decoded.details
    length, edge = int(details["shaper_size"]), int(details["edge"])
    low, high = map(_float3, details["domain"])
    shaper_low, shaper_high = map(_float3, details["shaper_domain"])
    return Lut(
        table=decoded.array[length:].reshape(edge, edge, edge, 3) if edge else None,
        shaper=decoded.array[:length] if length else None,
        domain_min=low,
        domain_max=high,
        shaper_min=shaper_low,
        shaper_max=shaper_high,
        title=str(details["title"]),
    )


def _float3(values: Any) -> Float3:
    first, second, third = values
    return float(first), float(second), float(third)


def _blob(text: str | None) -> bytes | None:
    return None if text is None else b64decode(text)
