"""What a job measured of its own output, as the evaluation of a Dagster asset check."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

CHECK_NAME = "verification"


def verification_evaluation(
    asset: str, verification: Mapping[str, Any], job_id: str
) -> dg.AssetCheckEvaluation:
    """Return the evaluation of a job's own verification.

    A missed target is a warning, as the job has completed all the same.

    Args:
        asset: Key of the operation's result asset.
        verification: What the op measured; it has passed unless ``passed`` is there and false.
        job_id: Public id of the job.
    """
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey([asset]),
        check_name=CHECK_NAME,
        passed=bool(verification.get("passed", True)),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"job": job_id, **_scalars(verification)},
    )


def _scalars(verification: Mapping[str, Any]) -> dict[str, Any]:
    """Return what fits a cell: figures and words; Dagster plots the figures."""
    return {
        name: value
        for name, value in verification.items()
        if name != "passed" and isinstance(value, str | int | float)
    }
