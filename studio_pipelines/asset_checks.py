"""Asset checks: one a result, which tells what its newest job measured of its own output.

Each job records the evaluation itself. What is here puts the checks into the UI, and answers when
someone runs one there.
"""

from typing import Any

import dagster as dg

from studio_pipelines.catalogue import chains, operations
from studio_pipelines.op_records import RESULT_METADATA
from studio_pipelines.verification import CHECK_NAME, verification_evaluation


def asset_checks() -> list[dg.AssetChecksDefinition]:
    """Return the check of the result of every operation, and of every step of every chain."""
    alone = [dg.AssetKey([name]) for name in operations()]
    within = [place.asset_key for chain in chains().values() for place in chain.places.values()]
    return [_check_of(key) for key in (*alone, *within)]


def _check_of(asset: dg.AssetKey) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        name=CHECK_NAME,
        asset=asset,
        description="What the newest job measured of its own output; run it to read it again.",
    )
    def verification(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        return newest_verification(context.instance, asset)

    return verification


def newest_verification(instance: dg.DagsterInstance, asset: dg.AssetKey) -> dg.AssetCheckResult:
    """Read the verification of an asset's newest materialisation again."""
    entry = instance.get_latest_materialization_event(asset)
    made = entry.asset_materialization if entry else None
    if made is None:
        return dg.AssetCheckResult(passed=True, description="No job has completed yet.")
    result: Any = made.metadata[RESULT_METADATA].value
    job_id = str(made.metadata["job"].value)
    told = verification_evaluation(asset, result["verification"], job_id)
    return dg.AssetCheckResult(passed=told.passed, severity=told.severity, metadata=told.metadata)
