"""The long checks, a file at a time, each for so long at most, whatever came of the one before.

Run: ``make soak``, or ``make soak ONLY=tests/soak/test_chaos.py`` for some of the files. What came
of each is in ``bench/results/soak.json`` as soon as it is known; what the checks measure, they
write beside it themselves.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.record import RESULTS_DIR, conditions, write_record

ROOT = Path(__file__).resolve().parents[2]
LONGEST_MIN = 120
# What an interrupted session takes to stop its studios.
STOPPED_WITHIN_S = 60
OUTCOMES = {0: "passed", 1: "failed"}
PYTEST = (sys.executable, "-m", "pytest", "-m", "soak")


def files_with_long_checks(paths: Sequence[str]) -> list[str]:
    """Return the test files that hold one, in order.

    Raises:
        SystemExit: There is none in these paths, or pytest cannot read them.
    """
    said = subprocess.run(
        [*PYTEST, "--collect-only", *paths],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if said.returncode:
        raise SystemExit(f"No long check was found:\n{said.stdout[-2000:]}{said.stderr[-2000:]}")
    return list(
        dict.fromkeys(line.split("::")[0] for line in said.stdout.splitlines() if "::" in line)
    )


def outcome_of(file: str, limit_s: float) -> str:
    """Run a file's long checks; return ``passed``, ``failed``, ``too long``, or pytest's status."""
    # A folder of its own, as for `make test`.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [*PYTEST, "--durations=10", f"--basetemp={folder}/t", file]
        running = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
        try:
            status = running.wait(limit_s)
        except subprocess.TimeoutExpired:
            return "too long"
        finally:
            end(running)
    return OUTCOMES.get(status, f"pytest ended with {status}")


def end(running: subprocess.Popen[bytes]) -> None:
    """Have a session that still runs stop its studios; kill what is left."""
    if running.poll() is None:
        running.send_signal(signal.SIGINT)
        try:
            running.wait(STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()


def known_so_far() -> dict[str, Any]:
    path = RESULTS_DIR / "soak.json"
    return json.loads(path.read_text()) if path.exists() else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", help="test files or folders; all of them otherwise")
    parser.add_argument("--minutes", type=float, default=LONGEST_MIN, help="at most, for a file")
    arguments = parser.parse_args()
    rows: dict[str, dict[str, Any]] = {}
    for file in files_with_long_checks(arguments.paths):
        print(f"== {file}", flush=True)  # noqa: T201
        before, started_s = conditions(), time.monotonic()
        outcome = outcome_of(file, arguments.minutes * 60)
        took_s = round(time.monotonic() - started_s)
        ended_at = datetime.now(UTC).isoformat(timespec="seconds")
        rows[file] = {"outcome": outcome, "took_s": took_s, "ended_at": ended_at, **before}
        write_record("soak", known_so_far() | rows)
    for file, row in rows.items():
        print(f"{row['outcome']:>12} {row['took_s'] / 60:7.1f} min  {file}")  # noqa: T201
    sys.exit(any(row["outcome"] != "passed" for row in rows.values()))


if __name__ == "__main__":
    main()
