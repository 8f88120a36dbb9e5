"""How long a studio takes until it serves, what processor time that costs, and its first jobs.

Run: ``python -m bench.start_up [--jobs]``. Writes ``bench/results/start_up.json``. Beside the
workers that are forked from one process stand the same workers, each executed by itself, in turns.
Other work on the machine makes everything slower; the ratio stands.
"""

import argparse
import resource
import socket
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from bench.processes import cpu_s, stack_processes
from bench.record import conditions, write_record
from studio_pipelines.client import Studio
from studio_pipelines.settings import load_settings
from studio_pipelines.stack import Stack, start_stack
from studio_pipelines.stack_processes import worker_spec
from studio_pipelines.supervised_process import ProcessState
from studio_pipelines.worker_name import WorkerName

SAMPLES = Path(__file__).parents[1] / "samples"
LANES = ("audio", "image")
STARTS = 3
WAYS = ("forked", "executed")
PHOTO, SONG = SAMPLES / "astronaut.jpg", SAMPLES / "music-voice.flac"
JOBS: Mapping[str, Mapping[str, Any]] = {
    "depth_estimate": {"image": PHOTO},
    "grading_apply": {"image": PHOTO, "exposure": 0.5},
    "image_inpaint": {"image": PHOTO, "box": [132, 345, 212, 428]},
    "mask_segment": {"image": PHOTO, "points": [{"x": 171, "y": 385}]},
    "vfx_composite": {"foreground": PHOTO},
    "audio_demix": {"audio": SONG},
    "audio_master": {"audio": SONG},
}


def all_cpu_s() -> float:
    """Processor time of this process and all that it has started, ended ones included."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    waited = resource.getrusage(resource.RUSAGE_CHILDREN)
    total_s = own.ru_utime + own.ru_stime + waited.ru_utime + waited.ru_stime
    for process in psutil.Process().children(recursive=True):
        try:
            total_s += sum(process.cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return total_s


def started(folder: Path, way: str) -> Stack:
    """Start a studio, its workers in one way or the other."""
    settings = load_settings(data_dir=folder, redis_url=None, database_url=None, asset_url="")
    settings = settings.model_copy(update={"api_port": 0, "dagster_port": 0})
    if way == "forked":
        return start_stack(settings, ("broker", "database", "worker", "api"))
    stack = start_stack(settings, ("broker", "database", "api"))
    names = [WorkerName(lane, socket.gethostname()) for lane in LANES]
    stack.supervisor.start(
        [worker_spec(stack.settings, stack.env, name, nursery=None) for name in names]
    )
    return stack


def ready_after_s(stack: Stack, began_s: float) -> dict[str, float]:
    """Wait until every process is ready; when each was, in seconds."""
    found: dict[str, float] = {}
    while True:
        status = stack.supervisor.status()
        for one in status:
            if one.state is ProcessState.READY and one.name not in found:
                found[one.name] = round(time.monotonic() - began_s, 2)
        if len(found) == len(status):
            return found
        time.sleep(0.02)


def one_start(folder: Path, way: str, jobs: bool) -> dict[str, Any]:
    """Start a studio once, and stop it."""
    before_s, began_s = all_cpu_s(), time.monotonic()
    stack = started(folder, way)
    try:
        ready_s = ready_after_s(stack, began_s)
        cpu = {name: round(used_s, 2) for name, used_s in cpu_s(stack_processes(stack)).items()}
        found: dict[str, Any] = {
            "ready_s": ready_s,
            "cpu_s": {"all": round(all_cpu_s() - before_s, 2), **cpu},
        }
        if jobs:
            found["jobs_ms"] = first_jobs(stack)
    finally:
        stack.supervisor.stop()
    return found


def first_jobs(stack: Stack) -> dict[str, dict[str, float]]:
    """Time two jobs of each operation: the first, and one that finds everything warm."""
    found: dict[str, dict[str, float]] = {}
    with Studio(stack.api_url) as studio:
        for operation, fields in JOBS.items():
            times: dict[str, float] = {}
            for which in ("first", "second"):
                job = studio.run(operation, cache=False, **fields)
                assert job.data is not None
                times[which] = round(job.data.timings.run_ms)
            found[operation] = times
    return found


def main() -> None:
    """Measure and write the figures down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", action="store_true", help="time the first jobs too, two minutes")
    jobs = parser.parse_args().jobs
    figures: dict[str, Any] = {**conditions(), **{way: [] for way in WAYS}}
    with tempfile.TemporaryDirectory(prefix="studio-bench-") as name:
        for number in range(STARTS):
            for way in WAYS:
                last = jobs and number == STARTS - 1
                figures[way].append(one_start(Path(name) / f"{way}-{number}", way, last))
    median_s = {way: statistics.median(one["cpu_s"]["all"] for one in figures[way]) for way in WAYS}
    figures["cpu_s_median"] = median_s
    figures["forked_to_executed"] = round(median_s["forked"] / median_s["executed"], 3)
    write_record("start_up", figures)
    print(median_s, figures["forked_to_executed"])
    for way in WAYS:
        for one in figures[way]:
            print(way, one)


if __name__ == "__main__":
    main()
