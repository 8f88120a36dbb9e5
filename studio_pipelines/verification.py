"""What a job measured of its own output, as the evaluation of a Dagster asset check."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

CHECK_NAME = "verification"


def verification_evaluation(
    asset: dg.AssetKey | str, verification: Mapping[str, Any], job_id: str
) -> dg.AssetCheckEvaluation:
    """Return the evaluation of a job's own verification.

    A missed target is a warning, as the job has completed all the same.

    Args:
        asset: Key of the result.
        verification: What the op measured; it has passed unless ``passed`` is there and false.
        job_id: Public id of the job.
    """
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey.from_coercible(asset),
        check_name=CHECK_NAME,
        passed=bool(verification.get("passed", True)),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"job": job_id, **dict(_scalars(verification))},
    )


def _scalars(measured: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    """Give what fits a cell, figures and words, with the path to it; Dagster plots the figures."""
    for name, value in measured.items():
        path = f"{within}{name}"
        if isinstance(value, Mapping):
            yield from _scalars(value, f"{path}.")
        elif path != "passed" and isinstance(value, str | int | float):
            yield path, value
