"""An 8K picture of 16 bits through the whole grading job: its memory, in pictures.

Run: ``python -m bench.grading_memory``. Writes ``bench/results/grading_memory.json``. The job runs
in a process of its own, as a worker runs it, from the upload in the store to the assets. Memory is
how much the highest resident size grew over what the process had after a job of a small picture, in
units of the decoded picture (8K, RGB, 16 bits: 190 MiB); what the decoder hands over is shared, and
counted.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from bench.long_master import peak_rss_mib
from bench.record import conditions, write_record
from studio_pipelines.memory_release import release_memory

WIDTH_PX, HEIGHT_PX = 7680, 4320
MIB = 1 << 20
PICTURE_MIB = WIDTH_PX * HEIGHT_PX * 6 / MIB
CUBE = Path(__file__).parents[1] / "samples" / "warm_dusk.cube"


def write_picture(path: Path, width_px: int, height_px: int) -> None:
    """Write a gradient with noise, as PNG."""
    from studio_pipelines.media.image_encode import encode_picture
    from studio_pipelines.media.picture import Picture

    x, y = np.linspace(0, 50_000, width_px)[None, :], np.linspace(0, 9_000, height_px)[:, None]
    noise = np.random.default_rng(0).integers(0, 4_000, (height_px, width_px, 3), np.uint16)
    encode_picture(Picture(noise + (x + y).astype(np.uint16)[:, :, None]), path)


def grade(folder: Path) -> None:
    """Do a small job and the large one as a worker does them, and print the memory they took."""
    from resources.artifacts import ArtifactStore
    from studio_pipelines.operations.grading_apply import OPERATION

    assert OPERATION.preload is not None
    assert OPERATION.warm_up is not None
    OPERATION.preload()
    OPERATION.warm_up()
    store = ArtifactStore(url=(folder / "store").as_uri())
    lut = kept(store, CUBE, "application/x-cube-lut")
    run_job(store, {"image": kept(store, folder / "small.png", "image/png"), "lut": lut})
    release_memory()
    warm_mib = psutil.Process().memory_info().rss / MIB
    run_job(store, {"image": kept(store, folder / "8k.png", "image/png"), "lut": lut})
    print(json.dumps({"warm_rss_mib": round(warm_mib), "peak_rss_mib": round(peak_rss_mib())}))


def kept(store: Any, path: Path, media_type: str) -> str:
    """Put a copy of a file into the store, and return its id."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        copy.write_bytes(path.read_bytes())
        return store.adopt(copy, media_type=media_type).id


def run_job(store: Any, inputs: dict[str, str]) -> None:
    """Run a grading job in this process."""
    import dagster as dg

    from resources.gpu import Gpu
    from resources.model_store import ModelStore
    from resources.progress import Progress
    from studio_pipelines.jobs import job_of
    from studio_pipelines.operations.grading_apply import OPERATION

    job_of(OPERATION).execute_in_process(
        run_config={
            "ops": {OPERATION.name: {"inputs": inputs}},
            "loggers": {"console": {"config": {"log_level": "ERROR"}}},
        },
        resources={
            "artifacts": store,
            "gpu": Gpu(preference="cpu"),
            "models": ModelStore(folder=os.devnull, declared_in=[]),
            "progress": Progress(redis_url="redis://127.0.0.1:1/0"),
            "io_manager": dg.mem_io_manager,
        },
    )


def main() -> None:
    """Run and record."""
    if len(sys.argv) == 3:
        grade(Path(sys.argv[2]))
        return
    figures: dict[str, Any] = {**conditions(), "picture_mib": round(PICTURE_MIB)}
    with tempfile.TemporaryDirectory() as folder:
        write_picture(Path(folder) / "8k.png", WIDTH_PX, HEIGHT_PX)
        write_picture(Path(folder) / "small.png", 640, 360)
        arguments = [sys.executable, "-m", "bench.grading_memory", "grade", folder]
        ran = subprocess.run(arguments, capture_output=True, text=True, check=True)
    figures |= json.loads(ran.stdout.splitlines()[-1])
    grown_mib = figures["peak_rss_mib"] - figures["warm_rss_mib"]
    figures["peak_over_picture"] = round(grown_mib / PICTURE_MIB, 2)
    print(figures)
    write_record("grading_memory", figures)


if __name__ == "__main__":
    main()
