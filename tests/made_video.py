"""Small videos made with FFmpeg, for tests."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation

RATE = 25
_MATRICES = {1: 1, 6: 5, 9: 9}  # H.273's codes to swscale's


def make_video(
    path: Path,
    *,
    size: tuple[int, int] = (160, 96),
    frames: int = 12,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    sound: str | None = "aac",
    full_range: bool = False,
    colour: int = 1,
    stamps: list[int] | None = None,
    container_options: dict[str, str] | None = None,
) -> np.ndarray:
    """Write a video of slow gradients; return its frames, uint8, before they were encoded."""
    width, height = size
    x, y = np.linspace(0, 1, width)[None, :], np.linspace(0, 1, height)[:, None]
    pictures = [
        np.stack([x + 0 * y, 0 * x + y, 0.5 + 0.3 * np.sin(6 * (x + y) + k / 5)], axis=-1)
        for k in range(frames)
    ]
    shown = np.rint(255 * (0.1 + 0.8 * np.stack(pictures))).astype(np.uint8)
    with av.open(path, "w", options=container_options or {}) as out:
        stream: Any = out.add_stream(codec, rate=RATE, options={"crf": "0", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        context = stream.codec_context
        context.color_range = 2 if full_range else 1
        context.colorspace = context.color_primaries = context.color_trc = colour
        voice: Any = out.add_stream(sound, rate=48_000) if sound else None
        for k, picture in enumerate(shown):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
                format=pixel_format,
                dst_colorspace=_MATRICES[colour],
                src_color_range=2,
                dst_color_range=2 if full_range else 1,
                interpolation=Interpolation.AREA | Interpolation.ACCURATE_RND,
            )
            frame.pts = stamps[k] if stamps else k
            frame.time_base = Fraction(1, RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if voice:
            _add_tone(out, voice, frames / RATE)
    return shown


def _add_tone(out: Any, stream: Any, seconds: float) -> None:
    count = int(seconds * 48_000)
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(count) / 48_000)
    kinds = {"fltp": np.float32, "s16": np.int16}
    sample_format = stream.codec_context.format.name
    scale = 1 if sample_format == "fltp" else 32767
    for start in range(0, count, 1024):
        part = (tone[start : start + 1024] * scale).astype(kinds[sample_format])
        planes = np.stack([part, part]) if sample_format == "fltp" else np.repeat(part, 2)[None]
        frame = av.AudioFrame.from_ndarray(planes, format=sample_format, layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, start, Fraction(1, 48_000)
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))
