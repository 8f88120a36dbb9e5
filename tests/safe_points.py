"""How long work keeps its thread from taking a signal: the gaps between its safe points.

Run: ``python tests/safe_points.py`` runs both operations on large inputs and prints the longest
gaps, each with the calls that it lay in.

A timer signals the main thread every 10 ms; Python runs the handler between two of its
instructions, so the time between two handlers is how long a native call was not to be interrupted.
"""

import argparse
import itertools
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

TICK_S = 0.01
KEPT = 8


@dataclass(frozen=True)
class Gap:
    """One stretch without a safe point.

    Attributes:
        wall_s: How long it was; on a busy machine, longer than the work in it.
        cpu_s: Processor time of the main thread in it.
        calls: The innermost calls at its end, the last one first.
    """

    wall_s: float
    cpu_s: float
    calls: tuple[str, ...]


@dataclass
class SafePoints:
    """The longest gaps so far, and how many safe points there were."""

    gaps: list[Gap] = field(default_factory=list)
    ticks: int = 0
    _last_wall_s: float = 0.0
    _last_cpu_s: float = 0.0

    @property
    def longest_s(self) -> float:
        """The longest stretch without a safe point."""
        return max((gap.wall_s for gap in self.gaps), default=0.0)

    def on_tick(self, _number: int, frame: FrameType | None) -> None:
        wall_s, cpu_s = time.perf_counter(), time.thread_time()
        waited_s = wall_s - self._last_wall_s
        if self._last_wall_s and (len(self.gaps) < KEPT or waited_s > self.gaps[-1].wall_s):
            walk = itertools.islice(traceback.walk_stack(frame), 6)
            calls = tuple(
                f"{Path(at.f_code.co_filename).name}:{line} {at.f_code.co_name}"
                for at, line in walk
            )
            # Not in place: on a slow machine the next tick may come in the middle of it.
            gaps = [*self.gaps, Gap(waited_s, cpu_s - self._last_cpu_s, calls)]
            self.gaps = sorted(gaps, key=lambda gap: -gap.wall_s)[:KEPT]
        self.ticks += 1
        # The handler's own time is not the work's.
        self._last_wall_s, self._last_cpu_s = time.perf_counter(), time.thread_time()


@contextmanager
def safe_points() -> Iterator[SafePoints]:
    """Measure the block; it has to run in the main thread and leave SIGALRM alone."""
    found = SafePoints()
    before = signal.signal(signal.SIGALRM, found.on_tick)
    signal.setitimer(signal.ITIMER_REAL, TICK_S, TICK_S)
    try:
        yield found
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def picture(megapixels: float, dtype: str, channels: int = 3) -> np.ndarray:
    """Smooth shapes with 2 % noise, as large as asked for."""
    side = int((megapixels * 1e6) ** 0.5)
    out = np.empty((side, side, channels), dtype)
    peak = 1.0 if dtype == "float32" else np.iinfo(dtype).max
    rng = np.random.default_rng(0)
    x = np.linspace(0, 1, side, dtype=np.float32)
    for top in range(0, side, 256):
        y = x[top : top + 256, None, None]
        light = 0.5 + 0.25 * np.sin(9 * np.pi * x[None, :, None]) + 0.2 * np.cos(7 * np.pi * y)
        noise = rng.standard_normal((len(y), side, channels), np.float32) * np.float32(0.02)
        out[top : top + 256] = np.clip(light + noise, 0, 1) * peak
    return out


def sound(minutes: float, channels: int = 2, rate_hz: int = 48_000) -> np.ndarray:
    """Loud, dense noise with slow swells: the limiter has work everywhere."""
    rng, blocks = np.random.default_rng(0), []
    for second in range(max(1, int(minutes * 60))):
        level = np.float32(0.1 + 0.08 * np.sin(second / 7))
        blocks.append(rng.standard_normal((rate_hz, channels), np.float32) * level)
    return np.concatenate(blocks)


def cube_text(edge: int) -> bytes:
    """A .cube file that squares every channel."""
    from studio_pipelines.media.lut_formats import format_cube
    from studio_pipelines.media.lut_table import Lut

    axis = np.linspace(0, 1, edge, dtype=np.float32) ** 2
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    return format_cube(Lut(table=np.stack([red, green, blue], axis=-1)))


class Bench:
    """Runs an operation's job in this process, on a store of its own."""

    def __init__(self, folder: Path, broker_url: str = "redis://127.0.0.1:1/0") -> None:
        from resources.artifacts import ArtifactStore

        self.folder, self._broker_url = folder, broker_url
        self.store = ArtifactStore(url=(folder / "store").as_uri())

    def keep_picture(self, pixels: np.ndarray, kind: str = "png") -> str:
        from studio_pipelines.media.image_encode import encode_picture
        from studio_pipelines.media.picture import Picture

        path = self.folder / "input"
        found = encode_picture(Picture(pixels), path, format=kind)  # type: ignore[arg-type]
        return self.store.adopt(path, media_type=found.media_type.mime).id

    def keep_sound(self, samples: np.ndarray) -> str:
        import soundfile

        path = self.folder / "input"
        soundfile.write(path, samples, 48_000, "PCM_24", format="WAV")
        return self.store.adopt(path, media_type="audio/wav").id

    def keep_cube(self, text: bytes) -> str:
        from studio_pipelines.media.sniff import CUBE

        path = self.folder / "input"
        path.write_bytes(text)
        return self.store.adopt(path, media_type=CUBE.mime).id

    def run(self, job: "Job") -> bool:
        import dagster as dg

        from resources.embedding_cache import EmbeddingCache
        from resources.gpu import Gpu
        from resources.model_store import ModelStore
        from resources.progress import Progress
        from studio_pipelines.jobs import job_of
        from studio_pipelines.model_shelf import DECLARATIONS
        from studio_pipelines.settings import load_settings

        name = job.operation.name
        result = job_of(job.operation).execute_in_process(
            run_config={"ops": {name: {"inputs": job.inputs, "config": job.config}}},
            resources={
                "artifacts": self.store,
                "embeddings": EmbeddingCache(folder=str(self.folder / "embeddings")),
                "gpu": Gpu(preference="cpu"),
                "models": ModelStore(
                    folder=str(load_settings().models_dir), declared_in=[str(DECLARATIONS)]
                ),
                "progress": Progress(redis_url=self._broker_url),
                "io_manager": dg.mem_io_manager,
            },
        )
        return result.success


@dataclass(frozen=True)
class Job:
    """An operation with its inputs and parameters."""

    operation: Any
    inputs: Mapping[str, str]
    config: Mapping[str, Any]


CASES = (
    "grey",
    "8k-mask",
    "100mp-16",
    "cube",
    "float",
    "30min",
    "30min-aac",
    "30min-flac",
    "30min-shaped",
)
DEMIX_CASES = ("demix-2", "demix-4")
COMPOSITE_CASE, DEPTH_CASE = "composite", "depth"
SEGMENT_CASES = ("segment", "segment-auto")


def job_of_case(bench: Bench, case: str, megapixels: float, minutes: float) -> Job:
    """Make the inputs of one large job, and warm its operation up."""
    if case == COMPOSITE_CASE:
        job = composite_job(bench, megapixels)
    elif case == DEPTH_CASE:
        job = depth_job(bench, megapixels)
    elif case in SEGMENT_CASES:
        job = segment_job(bench, case, megapixels)
    elif case in DEMIX_CASES:
        job = demix_job(bench, case, minutes)
    elif "min" in case:
        job = master_job(bench, case, minutes)
    else:
        job = grading_job(bench, case, megapixels)
    if job.operation.preload:
        job.operation.preload()
    job.operation.warm_up()
    return job


def segment_job(bench: Bench, case: str, megapixels: float) -> Job:
    """Find what is clicked on, or everything."""
    from studio_pipelines.operations.mask_segment import OPERATION

    clicked = {"points": [{"x": 900, "y": 700, "label": 1}], "multimask": True}
    config = {"auto": True, "points_per_side": 8} if case == "segment-auto" else clicked
    return Job(OPERATION, {"image": bench.keep_picture(picture(megapixels, "uint8"))}, config)


def demix_job(bench: Bench, case: str, minutes: float) -> Job:
    """Take a song apart."""
    from studio_pipelines.operations.audio_demix import OPERATION

    config = {"stems": int(case[-1]), "format": "flac"}
    return Job(OPERATION, {"audio": bench.keep_sound(sound(minutes))}, config)


def master_job(bench: Bench, case: str, minutes: float) -> Job:
    """Bring a song to its level."""
    from studio_pipelines.operations.audio_master import OPERATION

    config: dict[str, Any] = {"target_lufs": -9.0}
    kind = case.partition("-")[2]
    if kind == "shaped":
        config |= {"eq": {"tilt": 0.5}, "compress": 0.5, "width": 1.2, "lra": 5.0}
        config |= {"sample_rate": 96_000}
    elif kind:
        config["format"] = kind
    return Job(OPERATION, {"audio": bench.keep_sound(sound(minutes))}, config)


def grading_job(bench: Bench, case: str, megapixels: float) -> Job:
    """Grade a picture."""
    from studio_pipelines.operations.grading_apply import OPERATION

    inputs: dict[str, str] = {}
    config: dict[str, Any] = {"exposure": 0.3}
    if case == "grey":
        inputs["image"] = bench.keep_picture(picture(megapixels, "uint16", 1))
        config["format"] = "tiff"
    elif case == "8k-mask":
        least = min(megapixels, 7680 * 4320 / 1e6)
        inputs["image"] = bench.keep_picture(picture(least, "uint8"))
        inputs["mask"] = bench.keep_picture(picture(least, "uint8", 1))
        config["format"] = "webp"
    elif case == "100mp-16":
        inputs["image"] = bench.keep_picture(picture(megapixels, "uint16"))
        inputs["lut"] = bench.keep_cube(cube_text(65))
    elif case == "cube":
        inputs["image"] = bench.keep_picture(picture(1, "uint8"))
        inputs["lut"] = bench.keep_cube(cube_text(129))
        config = {}
    else:
        inputs["image"] = bench.keep_picture(picture(megapixels, "float32"), "tiff")
        config["format"] = "png"
    return Job(OPERATION, inputs, config)


def composite_job(bench: Bench, megapixels: float) -> Job:
    """Cut something out with all that there is, and lay it over something as large."""
    from studio_pipelines.operations.vfx_composite import OPERATION

    below = bench.keep_picture(picture(megapixels, "uint8"))
    seen = picture(megapixels, "uint8")
    side = len(seen)
    part = slice(side // 4, side // 4 + side // 2)
    seen[part, part] = 255 - seen[part, part] // 3
    inputs = {"foreground": bench.keep_picture(seen), "background": below}
    config = {"light_wrap": 0.5, "despill": 0.5, "choke": 2.5, "feather": 3.0}
    return Job(OPERATION, inputs, config | {"outputs": ["composite", "foreground", "alpha", "exr"]})


def depth_job(bench: Bench, megapixels: float) -> Job:
    """Estimate a picture's depth, and give back all that there is of it."""
    from studio_pipelines.operations.depth_estimate import OPERATION

    inputs = {"image": bench.keep_picture(picture(megapixels, "uint8"))}
    outputs = ["png16", "exr", "npy", "preview", "normals", "pointcloud"]
    return Job(OPERATION, inputs, {"model": "studio-depth-small", "outputs": outputs})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", default=CASES)
    parser.add_argument("--megapixels", type=float, default=100)
    parser.add_argument("--minutes", type=float, default=30)
    arguments = parser.parse_args()
    for case in arguments.cases or (
        *CASES,
        *DEMIX_CASES,
        *SEGMENT_CASES,
        COMPOSITE_CASE,
        DEPTH_CASE,
    ):
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(Path(folder))
            job = job_of_case(bench, case, arguments.megapixels, arguments.minutes)
            with safe_points() as found:
                started_s = time.perf_counter()
                assert bench.run(job)
                print(f"{case}: {time.perf_counter() - started_s:.1f} s")  # noqa: T201
        for gap in found.gaps[:4]:
            print(f"  {gap.wall_s:6.2f} s ({gap.cpu_s:.2f} s CPU)  {' < '.join(gap.calls[:5])}")  # noqa: T201


if __name__ == "__main__":
    main()
