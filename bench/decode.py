"""What it costs to decode in a helper process, beside libvips in this process, in the same run.

Run: ``python -m bench.decode``. Writes ``bench/results/decode.json``. Pictures are synthetic
photographs: smooth shapes with 1 % noise, which compress about as badly as a camera's.
"""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyvips
import soundfile

from studio_pipelines.media.decoder import Decoder

RESULTS = Path(__file__).parent / "results" / "decode.json"
WIDTH_PX, HEIGHT_PX = 6000, 4000
ROUNDS = 5


def photograph(width_px: int, height_px: int) -> np.ndarray:
    """A 16-bit RGB picture with structure and noise."""
    x = np.linspace(0, 1, width_px, dtype=np.float32)[None, :, None]
    y = np.linspace(0, 1, height_px, dtype=np.float32)[:, None, None]
    tint = np.array([1, 0.7, 0.4], np.float32)
    light = 0.5 + 0.25 * np.sin(9 * np.pi * x) + 0.2 * np.cos(7 * np.pi * y * (1 + x)) * tint
    noise = np.random.default_rng(0).normal(0, 0.01, light.shape).astype(np.float32)
    return ((light + noise).clip(0, 1) * 65535).astype(np.uint16)


def median_s(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The median time of some work."""
    times: list[float] = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def vips_in_process(path: Path) -> np.ndarray:
    """The peer: libvips here, trusting the file."""
    return pyvips.Image.new_from_file(str(path), access="sequential").numpy()


def compare(decoder: Decoder, path: Path) -> dict[str, float]:
    """Time both ways on one picture, after checking that they agree."""
    assert np.array_equal(decoder.picture(path).pixels, vips_in_process(path))

    def ours() -> object:
        return decoder.picture(path).pixels[::64, ::64].sum()

    def peer() -> object:
        return vips_in_process(path)[::64, ::64].sum()

    # Taking turns, so that both meet the same load.
    times = [(median_s(ours, 1), median_s(peer, 1)) for _ in range(ROUNDS)]
    helper_s, vips_s = (statistics.median(side) for side in zip(*times, strict=True))
    return {
        "helper_ms": round(helper_s * 1e3, 1),
        "in_process_vips_ms": round(vips_s * 1e3, 1),
        "ratio": round(helper_s / vips_s, 3),
    }


def png_levels(pixels: np.ndarray, folder: Path) -> dict[str, dict[str, float]]:
    """Size and time of PNG at several compression levels, filter ``sub``."""
    figures: dict[str, dict[str, float]] = {}
    height, width, bands = pixels.shape
    for name, data, kind in (
        ("png8", (pixels >> 8).astype(np.uint8), "uchar"),
        ("png16", pixels, "ushort"),
    ):
        image = pyvips.Image.new_from_memory(data.data, width, height, bands, kind)
        image = image.copy(interpretation="srgb" if kind == "uchar" else "rgb16")
        for level in (1, 2, 3, 6):
            path = folder / "level.png"

            def save(image: pyvips.Image = image, level: int = level, path: Path = path) -> None:
                image.pngsave(str(path), compression=level, filter="sub")

            seconds = median_s(save, 3)
            figures[f"{name}_level_{level}"] = {
                "seconds": round(seconds, 2),
                "megabytes": round(path.stat().st_size / 1e6, 1),
            }
    return figures


def main() -> None:
    """Run all measurements and write them down."""
    pixels = photograph(WIDTH_PX, HEIGHT_PX)
    with tempfile.TemporaryDirectory() as name, Decoder() as decoder:
        folder = Path(name)
        image = pyvips.Image.new_from_memory(pixels.data, WIDTH_PX, HEIGHT_PX, 3, "ushort")
        image = image.copy(interpretation="rgb16")
        image.pngsave(str(folder / "large16.png"), compression=2, filter="sub")
        (image >> 8).cast("uchar").copy(interpretation="srgb").jpegsave(
            str(folder / "large.jpg"), Q=92
        )
        image.crop(0, 0, 1, 1).pngsave(str(folder / "one.png"))
        soundfile.write(folder / "minute.wav", np.zeros((48_000 * 60, 2), np.int16), 48_000)
        start_s = median_s(lambda: (decoder.close(), decoder.warm()), 3)
        one = folder / "one.png"
        figures = {
            "cores": len(os.sched_getaffinity(0)),
            "helper_start_ms": round(start_s * 1e3, 1),
            "one_pixel_png_ms": round(median_s(lambda: decoder.picture(one), 200) * 1e3, 3),
            "one_pixel_png_in_process_vips_ms": round(
                median_s(lambda: vips_in_process(one), 200) * 1e3, 3
            ),
            "jpeg_24_megapixels": compare(decoder, folder / "large.jpg"),
            "png16_24_megapixels": compare(decoder, folder / "large16.png"),
            "wav_one_minute_stereo_ms": round(
                median_s(lambda: decoder.audio(folder / "minute.wav")) * 1e3, 1
            ),
            "png_encoding_24_megapixels": png_levels(pixels, folder),
        }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
