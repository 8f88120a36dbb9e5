"""The assets that the Dagster UI shows: results, what chains make on the way, and the workers."""

from collections.abc import Iterator

import dagster as dg

from studio_pipelines.catalogue import chains, operations, workers
from studio_pipelines.chain import LinkedChain


def result_assets() -> list[dg.AssetSpec]:
    """Return the result of each operation that runs alone."""
    return [
        dg.AssetSpec(one.name, group_name="results", description=one.summary)
        for one in operations().values()
    ]


def worker_assets() -> list[dg.AssetSpec]:
    """Return an asset a worker, which its memory is recorded on."""
    return [
        dg.AssetSpec(["workers", worker.id], group_name="workers", description=worker.does)
        for worker in workers()
    ]


def chain_assets() -> list[dg.AssetSpec]:
    """Return what each step of each chain makes, with what it is made from."""
    return [spec for chain in chains().values() for spec in specs_of(chain)]


def specs_of(chain: LinkedChain) -> Iterator[dg.AssetSpec]:
    """Give the assets of one chain, in the order in which they are made."""
    for step, place in chain.places.items():
        op = chain.ops[step].op
        yield dg.AssetSpec(
            place.asset_key,
            deps=chain.made_from(step),
            group_name=chain.key,
            description=(op.description or "").strip().split("\n")[0],
        )
        for part in place.parts:
            yield dg.AssetSpec(
                place.part_key(part),
                deps=[place.asset_key],
                group_name=chain.key,
                description=f"{part} of {step}",
            )
