"""Interrupts large jobs at random moments, in a process of its own, and tells how each one ended.

Run: ``python tests/interrupted_ops.py <folder> <broker URL> <case> <megapixels> <minutes> <times>
<seed>``; prints JSON. The job runs as it does in a worker: in the main thread, where the signals
arrive that cancel it (SIGINT) or end it at its deadline (SIGALRM).
"""

import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import psutil
from dagster._core.errors import DagsterExecutionInterruptedError
from safe_points import Bench, Job, job_of_case

from studio_pipelines.memory_release import release_memory

MIB = 1 << 20
LASTING_THREADS = 2  # this one, and the keeper of the decoder
LAST_BAND_S = 10.0


class Overdue(Exception):
    """The deadline has passed."""


def on_deadline(*_: object) -> None:
    raise Overdue


def interrupted(bench: Bench, job: Job, number: signal.Signals, after_s: float) -> dict[str, float]:
    """Run the job, interrupt it, and tell how long it took to end after that."""
    sent_s: list[float] = []

    def send() -> None:
        sent_s.append(time.perf_counter())
        os.kill(os.getpid(), number)

    timer = threading.Timer(after_s, send)
    timer.start()
    ended = False
    try:
        bench.run(job)
    except (KeyboardInterrupt, DagsterExecutionInterruptedError, Overdue):
        ended = True
    stopped_s = time.perf_counter()
    timer.cancel()
    timer.join()
    threads = threading.active_count()
    wait_for_the_last_band()
    release_memory()
    left = [path.name for path in (bench.folder / "store" / "incoming").iterdir()]
    return {
        "afterS": after_s,
        "interrupted": ended,
        "stopS": stopped_s - sent_s[0] if sent_s else 0.0,
        "left": len(left),
        "assets": len(list((bench.folder / "store" / "assets").iterdir())),
        "rssMib": psutil.Process().memory_info().rss / MIB,
        "threads": threads,
    }


def wait_for_the_last_band() -> None:
    """Wait for a thread that ends its piece of work, and holds that memory until then."""
    deadline_s = time.monotonic() + LAST_BAND_S
    while threading.active_count() > LASTING_THREADS and time.monotonic() < deadline_s:
        time.sleep(0.05)


def stored_assets(bench: Bench) -> int:
    return len(list((bench.folder / "store" / "assets").iterdir()))


def main() -> None:
    folder, broker_url, case, megapixels, minutes, times, seed = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGALRM, on_deadline)
    bench = Bench(Path(folder), broker_url)
    job = job_of_case(bench, case, float(megapixels), float(minutes))
    started_s = time.perf_counter()
    inputs = stored_assets(bench)
    assert bench.run(job)
    whole_s = time.perf_counter() - started_s
    rng, ends = random.Random(int(seed)), []
    assets = stored_assets(bench)
    for n in range(int(times)):
        number = signal.SIGALRM if n % 4 == 3 else signal.SIGINT
        ends.append(interrupted(bench, job, number, rng.uniform(0.02, 0.95) * whole_s))
    told = {"wholeS": whole_s, "assets": assets, "made": assets - inputs, "interrupts": ends}
    print(json.dumps(told))  # noqa: T201


if __name__ == "__main__":
    main()
