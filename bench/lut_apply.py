"""A 3D LUT over a 4K picture, beside FFmpeg's ``lut3d`` and OpenColorIO, in the same run.

Run: ``python -m bench.lut_apply``. Writes ``bench/results/lut_apply.json``. All are tetrahedral, in
process, from a buffer in memory to another, on the same threads. FFmpeg gets the faster of its
packed and planar form; OpenColorIO, which runs a call on one thread, the fastest of its
optimisation levels, and for two threads a half of the picture each. The parties take turns, so
that what else the machine does falls on all of them; medians count. Synthetic picture: smooth
shapes with 2 % noise.
"""

import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path

import av
import av.filter
import numpy as np
import PyOpenColorIO as ocio  # noqa: N813
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from studio_pipelines.media.lut import apply_lut
from studio_pipelines.media.lut_formats import format_cube
from studio_pipelines.media.lut_table import Lut

RESULTS = Path(__file__).parent / "results" / "lut_apply.json"
WIDTH_PX, HEIGHT_PX = 3840, 2160
ROUNDS = 5
EDGES = (17, 33, 65)
THREADS = (1, 2)
LIBRARIES = ("numba", "numpy", "av", "opencolorio")
OCIO_DEPTHS = {
    "uint8": ocio.BIT_DEPTH_UINT8,
    "uint16": ocio.BIT_DEPTH_UINT16,
    "float32": ocio.BIT_DEPTH_F32,
}
OCIO_LEVELS = ("LOSSLESS", "VERY_GOOD")  # GOOD and DRAFT run the same code on a lone LUT

Work = Callable[[], object]


def picture() -> NDArray[np.float32]:
    """A picture with structure and noise, 0 to 1."""
    x = np.linspace(0, 1, WIDTH_PX, dtype=np.float32)[None, :, None]
    y = np.linspace(0, 1, HEIGHT_PX, dtype=np.float32)[:, None, None]
    tint = np.array([1, 0.7, 0.4], np.float32)
    light = 0.5 + 0.25 * np.sin(9 * np.pi * x) + 0.2 * np.cos(7 * np.pi * y * (1 + x)) * tint
    noise = np.random.default_rng(0).normal(0, 0.02, light.shape).astype(np.float32)
    return (light + noise).clip(0, 1)


def creative_lut(edge: int) -> Lut:
    """A smooth LUT in which every channel depends on another."""
    axis = np.linspace(0, 1, edge)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    rgb = np.stack([red, green, blue], axis=-1)
    table = (rgb + 0.05 * np.sin(7 * np.roll(rgb, 1, axis=-1))).clip(0, 1)
    return Lut(table=table.astype(np.float32))


def ours(pixels: NDArray, lut: Lut, threads: int) -> Work:
    """The product's own way."""
    out = np.empty_like(pixels)
    return lambda: apply_lut(pixels, lut, out=out, threads=threads)


def ffmpeg(pixels: NDArray[np.uint8], cube: Path, threads: int, pixel_format: str) -> Work:
    """FFmpeg's filter; the frame is converted to the filter's format before the clock starts."""
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=pixel_format)
    graph = av.filter.Graph()
    graph.threads = threads
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25)
    )
    lut3d = graph.add("lut3d", f"file={cube}:interp=tetrahedral")
    sink = graph.add("buffersink")
    source.link_to(lut3d)
    lut3d.link_to(sink)
    graph.configure()

    def run() -> object:
        frame.pts = (frame.pts or 0) + 1
        graph.push(frame)
        return graph.pull()

    return run


def opencolorio(pixels: NDArray, cube: Path, threads: int, level: str) -> Work:
    """OpenColorIO's CPU path in the picture's own depth."""
    depth = OCIO_DEPTHS[pixels.dtype.name]
    transform = ocio.FileTransform(src=str(cube), interpolation=ocio.INTERP_TETRAHEDRAL)
    processor = ocio.Config.CreateRaw().getProcessor(transform)
    cpu = processor.getOptimizedCPUProcessor(depth, depth, getattr(ocio, f"OPTIMIZATION_{level}"))
    item = pixels.itemsize

    def image(part: NDArray) -> ocio.PackedImageDesc:
        height, width, channels = part.shape
        strides = (item, channels * item, channels * item * width)
        return ocio.PackedImageDesc(part, width, height, channels, depth, *strides)

    out = np.empty_like(pixels)
    halves = zip(np.array_split(pixels, threads), np.array_split(out, threads), strict=True)
    images = [(image(a), image(b)) for a, b in halves]
    if threads == 1:
        return lambda: cpu.apply(*images[0])
    pool = ThreadPoolExecutor(threads)
    return lambda: list(pool.map(lambda pair: cpu.apply(*pair), images))


def medians_s(parties: dict[str, Work]) -> dict[str, float]:
    """The median time of each party's work, the parties taking turns."""
    times: dict[str, list[float]] = {name: [] for name in parties}
    for work in parties.values():
        work()
    for _ in range(ROUNDS):
        for name, work in parties.items():
            start = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(taken) for name, taken in times.items()}


def parties_of(pixels: NDArray, lut: Lut, cube: Path, threads: int) -> dict[str, Work]:
    """Everyone who can do this case."""
    parties = {"ours": ours(pixels, lut, threads)}
    if pixels.dtype == np.uint8:
        for pixel_format in ("rgb24", "gbrp"):
            parties[f"FFmpeg {pixel_format}"] = ffmpeg(pixels, cube, threads, pixel_format)
    for level in OCIO_LEVELS:
        parties[f"OpenColorIO {level}"] = opencolorio(pixels, cube, threads, level)
    return parties


def compare(pixels: NDArray, lut: Lut, cube: Path, threads: int) -> dict[str, float | int | str]:
    """Megapixels a second of one case, and the ratios to the best form of each peer."""
    megapixels = pixels.shape[0] * pixels.shape[1] / 1e6
    taken = medians_s(parties_of(pixels, lut, cube, threads))
    row: dict[str, float | int | str] = {
        "pixels": pixels.dtype.name,
        "edge": 0 if lut.table is None else len(lut.table),
        "threads": threads,
        "oursMegapixelsPerSecond": megapixels / taken["ours"],
    }
    for peer in ("FFmpeg", "OpenColorIO"):
        fastest = min((s for name, s in taken.items() if name.startswith(peer)), default=None)
        if fastest is not None:
            row[f"{peer}MegapixelsPerSecond"] = megapixels / fastest
            row[f"ratioTo{peer}"] = fastest / taken["ours"]
    return row


def machine() -> dict[str, object]:
    """What the figures depend on."""
    cpu = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("model name\t: ", 1)[-1]
    return {
        "cores": os.cpu_count(),
        "processor": cpu.splitlines()[0],
        "python": platform.python_version(),
        "loadAverage": os.getloadavg()[0],
        "libraries": {name: version(name) for name in LIBRARIES},
        "ffmpeg": av.ffmpeg_version_info,
    }


def show(rows: list[dict[str, float | int | str]]) -> None:
    """Print the cases as a table."""
    table = Table("pixels", "edge", "threads", "ours MP/s", "FFmpeg", "ratio", "OCIO", "ratio")
    for row in rows:
        cells = [str(row["pixels"]), str(row["edge"]), str(row["threads"])]
        cells.append(f"{row['oursMegapixelsPerSecond']:.0f}")
        for peer in ("FFmpeg", "OpenColorIO"):
            raced = f"ratioTo{peer}" in row
            cells.append(f"{row[f'{peer}MegapixelsPerSecond']:.0f}" if raced else "")
            cells.append(f"{row[f'ratioTo{peer}']:.2f}" if raced else "")
        table.add_row(*cells)
    Console().print(table)


def main() -> None:
    """Run every case, print and write the results."""
    light = picture()
    pictures = [np.round(light * 255).astype(np.uint8), np.round(light * 65535).astype(np.uint16)]
    pictures.append(light)
    facts, rows = machine(), []
    with tempfile.TemporaryDirectory() as folder:
        for edge in EDGES:
            lut, cube = creative_lut(edge), Path(folder) / f"{edge}.cube"
            cube.write_bytes(format_cube(lut))
            rows += [compare(p, lut, cube, n) for p in pictures for n in THREADS]
    show(rows)
    RESULTS.parent.mkdir(exist_ok=True)
    size = {"widthPx": WIDTH_PX, "heightPx": HEIGHT_PX, "rounds": ROUNDS}
    report = {"machine": facts, "picture": size, "rows": rows}
    RESULTS.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
