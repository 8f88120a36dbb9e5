"""The operations can be interrupted anywhere, soon, and leave nothing behind.

How soon depends on the machine: two seconds where it is quiet, longer where others use its cores.
"""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from safe_points import Bench, Job, job_of_case, safe_points

pytestmark = pytest.mark.long
ROOT = Path(__file__).resolve().parents[3]
PROMISED_S = 2.0
# The first of them fill caches that stay: LUT probes, libvips' operations, heap.
SETTLING = 3


def allowed_s() -> float:
    """What two seconds of a quiet machine may take on this one as it is."""
    return PROMISED_S * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def interrupt(case: str, megapixels: float, minutes: float, times: int, tmp_path: Path) -> Any:
    """Run the case in a process of its own, interrupted at random moments."""
    arguments = [tmp_path, "redis://127.0.0.1:1/0", case, megapixels, minutes, times, 7]
    ran = subprocess.run(
        [sys.executable, ROOT / "tests" / "interrupted_ops.py", *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return json.loads(ran.stdout.splitlines()[-1])


def check(told: Any, settling: int = SETTLING) -> None:
    """Each ended soon, left no file and no thread, and the process has not grown."""
    ends = told["interrupts"]
    stopped = [end for end in ends if end["interrupted"]]
    assert len(stopped) >= len(ends) // 3, ends
    assert [end for end in stopped if end["stopS"] > allowed_s()] == []
    assert [end for end in ends if end["left"]] == []
    assert stopped[-1]["threads"] <= 3, "main, the decoder's keeper, and one that is ending"
    assets = told["assets"]
    for before, end in zip([{"assets": assets}, *ends], ends, strict=False):
        # An interrupt that strikes when the op is done finds its result whole and recorded.
        made = end["assets"] - before["assets"]
        assert made in (0, told["made"]), "it stored a half result"
    settled = [end["rssMib"] for end in ends[settling:]]
    assert max(settled) <= 1.15 * min(settled), settled


# Depth's network sees a picture at one size, and demixing's sound in windows of one length: small
# inputs end at the same native calls. What a process gathers over more interrupts is for the soak.
@pytest.mark.parametrize(
    ("case", "megapixels", "minutes", "times"),
    [
        ("100mp-16", 6, 0, 8),
        ("30min", 0, 0.5, 8),
        ("demix-2", 0, 0.2, 6),
        ("segment-auto", 6, 0, 8),
        ("depth", 1, 0, 6),
    ],
)
def test_an_interrupt_ends_a_job_soon_and_leaves_nothing(
    case: str, megapixels: float, minutes: float, times: int, tmp_path: Path
) -> None:
    check(interrupt(case, megapixels, minutes, times, tmp_path))


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("case", ["100mp-16", "30min", "demix-2", "segment-auto", "depth"])
def test_an_interrupt_ends_a_larger_job_soon(case: str, tmp_path: Path) -> None:
    check(interrupt(case, megapixels=6, minutes=0.5, times=12, tmp_path=tmp_path))


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "case", ["grey", "8k-mask", "100mp-16", "float", "30min", "30min-aac", "demix-4"]
)
def test_an_interrupt_ends_the_largest_jobs_soon(case: str, tmp_path: Path) -> None:
    told = interrupt(case, megapixels=100, minutes=10, times=24, tmp_path=tmp_path)
    # What a process keeps is reached step by step, as interrupts strike at ever new places.
    check(told, settling=12)


def longest_gap(job: Job, bench: Bench) -> None:
    assert threading.current_thread() is threading.main_thread()
    with safe_points() as found:
        assert bench.run(job)
    assert found.ticks > 10
    assert found.longest_s <= allowed_s(), found.gaps


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "case",
    [
        "grey",
        "8k-mask",
        "100mp-16",
        "cube",
        "float",
        "30min",
        "demix-4",
        "composite",
        "segment",
        "depth",
    ],
)
def test_no_native_call_keeps_the_thread_for_long(case: str, tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    longest_gap(job_of_case(bench, case, megapixels=100, minutes=30), bench)


@pytest.mark.parametrize(
    "case",
    ["cube", "8k-mask", "30min-aac", "30min-shaped", "demix-4", "composite", "segment", "depth"],
)
def test_no_native_call_keeps_the_thread_in_a_small_job(case: str, tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    longest_gap(job_of_case(bench, case, megapixels=4, minutes=0.15), bench)
