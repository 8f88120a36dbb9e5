"""One small, sound file of each kind that the service reads: what hostile files are made from."""

import io
import zipfile
from collections.abc import Callable
from fractions import Fraction
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import OpenImageIO
import pillow_heif
import pyvips
import soundfile
from made_video import make_video
from PIL import Image, ImageCms

WIDTH, HEIGHT = 64, 48
RATE_HZ = 16_000
EXACT = {"fflags": "bitexact"}


def _pixels() -> np.ndarray:
    x, y = np.meshgrid(np.linspace(0, 255, WIDTH), np.linspace(0, 255, HEIGHT))
    grain = np.random.default_rng(5).integers(0, 40, (HEIGHT, WIDTH))
    return np.stack([x, y, np.clip(x / 2 + y / 2 + grain, 0, 255)], axis=-1).astype(np.uint8)


def _pillow(kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture = Image.fromarray(_pixels())
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "a test", 6
    if kind != "gif":
        options["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    if kind not in ("gif", "png"):
        options["exif"] = exif
    picture.save(file, kind, **options)
    return file.getvalue()


def _animation(kind: str) -> bytes:
    file = io.BytesIO()
    frames = [Image.fromarray(np.roll(_pixels(), 8 * turn, axis=1)) for turn in range(3)]
    frames[0].save(file, kind, save_all=True, append_images=frames[1:], duration=40)
    return file.getvalue()


def _heic() -> bytes:
    file = io.BytesIO()
    heif: Any = pillow_heif.from_pillow(Image.fromarray(_pixels()))
    heif.save(file, quality=80)
    return file.getvalue()


def _avif() -> bytes:
    picture = pyvips.Image.new_from_array(_pixels())
    return bytes(picture.copy(interpretation="srgb").heifsave_buffer(compression="av1", effort=1))


def _tiff() -> bytes:
    picture = pyvips.Image.new_from_array(_pixels())
    return bytes(picture.tiffsave_buffer(compression="lzw", tile=True, tile_width=32, pyramid=True))


def _exr() -> bytes:
    with TemporaryDirectory() as folder:
        path = str(Path(folder, "seed.exr"))
        spec = OpenImageIO.ImageSpec(WIDTH, HEIGHT, 4, "half")
        spec.attribute("compression", "piz")
        spec.attribute("DateTime", "2026:01:01 00:00:00")
        out: Any = OpenImageIO.ImageOutput.create(path)
        out.open(path, spec)
        ones = np.ones((HEIGHT, WIDTH, 1), np.float32)
        out.write_image(np.concatenate([_pixels() / np.float32(255), ones], axis=-1))
        out.close()
        return Path(path).read_bytes()


def _tone() -> np.ndarray:
    time_s = np.arange(RATE_HZ // 2) / RATE_HZ
    return np.stack([np.sin(2 * np.pi * hz * time_s) for hz in (330, 440)], axis=-1) * 0.4


def _sound(kind: str, subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, _tone(), RATE_HZ, format=kind, subtype=subtype)
    return file.getvalue()


def _coded_sound(container: str, codec: str, rate_hz: int = 48_000) -> bytes:
    import av

    file = io.BytesIO()
    with av.open(file, "w", format=container, options=EXACT) as out:
        stream: Any = out.add_stream(codec, rate=rate_hz, layout="stereo")
        planes = np.ascontiguousarray(_tone().T, np.float32)
        for start in range(0, planes.shape[1] - 1024, 1024):
            part = np.ascontiguousarray(planes[:, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = rate_hz, start, Fraction(1, rate_hz)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file.getvalue()


def _video(suffix: str, **options: Any) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder, f"seed{suffix}")
        make_video(path, size=(WIDTH, HEIGHT), frames=8, container_options=EXACT, **options)
        return path.read_bytes()


def _cube() -> bytes:
    edge = 5
    rows = (
        f"{red / 4:.6f} {green / 4:.6f} {(blue / 4) ** 2:.6f}"
        for blue in range(edge)
        for green in range(edge)
        for red in range(edge)
    )
    return ('TITLE "seed"\nLUT_3D_SIZE 5\nDOMAIN_MIN 0 0 0\n' + "\n".join(rows) + "\n").encode()


def _3dl() -> bytes:
    edge = 5
    levels = " ".join(str(round(1023 * level / 4)) for level in range(edge))
    rows = (
        f"{1023 * red} {1023 * green} {1023 * blue}"
        for red in range(edge)
        for green in range(edge)
        for blue in range(edge)
    )
    return (levels + "\n" + "\n".join(rows) + "\n").encode()


def _csp() -> bytes:
    curve = "3\n0.0 0.5 1.0\n0.0 0.4 1.0\n"
    rows = (f"{r / 2} {g / 2} {b / 2}" for b in range(3) for g in range(3) for r in range(3))
    return ("CSPLUTV100\n3D\n\n" + curve * 3 + "\n3 3 3\n" + "\n".join(rows) + "\n").encode()


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("one.txt"), b"some text " * 40, zipfile.ZIP_DEFLATED)
    return file.getvalue()


_MAKERS: dict[str, Callable[[], bytes]] = {
    "png": partial(_pillow, "png"),
    "jpeg": partial(_pillow, "jpeg", quality=90),
    "jpeg-progressive": partial(_pillow, "jpeg", progressive=True),
    "webp": partial(_pillow, "webp", quality=80),
    "webp-lossless": partial(_pillow, "webp", lossless=True),
    "tiff": partial(_pillow, "tiff", compression="tiff_deflate"),
    "tiff-tiled": _tiff,
    "heic": _heic,
    "avif": _avif,
    "exr": _exr,
    "gif": partial(_animation, "gif"),
    "apng": partial(_animation, "png"),
    "wav": partial(_sound, "WAV", "PCM_24"),
    "flac": partial(_sound, "FLAC"),
    "aiff": partial(_sound, "AIFF"),
    "ogg": partial(_sound, "OGG"),
    "mp3": partial(_sound, "MP3"),
    "opus": partial(_coded_sound, "ogg", "libopus"),
    "m4a": partial(_coded_sound, "ipod", "aac"),
    "mp4": partial(_video, ".mp4"),
    "mov": partial(_video, ".mov", sound="pcm_s16le"),
    "mkv": partial(_video, ".mkv", codec="ffv1", sound="flac"),
    "webm": partial(_video, ".webm", codec="libvpx-vp9", sound="libopus"),
    "avi": partial(_video, ".avi", codec="mjpeg", pixel_format="yuvj420p", sound="pcm_s16le"),
    "cube": _cube,
    "3dl": _3dl,
    "csp": _csp,
    "zip": _zip,
}
KINDS = tuple(_MAKERS)


@cache
def seed(kind: str) -> bytes:
    """Return the sound file of a kind."""
    return _MAKERS[kind]()
