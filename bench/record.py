"""What every record of a measurement says, and where it is kept."""

import json
import os
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS_DIR = Path(__file__).parent / "results"


def conditions() -> dict[str, Any]:
    """The machine's cores, and how busy it was before the measurement began."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "load_average_at_start": round(os.getloadavg()[0], 1),
    }


def write_record(name: str, figures: Mapping[str, Any]) -> None:
    """Keep the figures of ``bench.<name>``."""
    RESULTS_DIR.mkdir(exist_ok=True)
    (RESULTS_DIR / f"{name}.json").write_text(json.dumps(figures, indent=2) + "\n")


def summary(times_ms: Sequence[float]) -> dict[str, float]:
    """The median and the 95th percentile of some times, and how many there are."""
    p95 = statistics.quantiles(times_ms, n=20, method="inclusive")[-1]
    return {
        "runs": len(times_ms),
        "median_ms": round(statistics.median(times_ms), 1),
        "p95_ms": round(p95, 1),
    }
