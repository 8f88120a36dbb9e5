"""What the input of an op is given: by a run's config, or by the op before it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import dagster as dg
from dagster_shared.error import DagsterError

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from studio_pipelines.errors import StudioError, problem_of


class InputNotLoaded(dg.Failure, DagsterError):
    """An input that cannot be had, with the reason in plain words.

    Dagster wraps what a loader raises, and its metadata are lost, unless it is an error of its own.
    """

    def __init__(self, fault: StudioError) -> None:
        problem = dg.MetadataValue.json(problem_of(fault))
        super().__init__(fault.message, {"problem": problem}, allow_retries=False)


@dataclass(frozen=True)
class HandedItem:
    """One item: an asset with those that were made beside it, or why there is none.

    Attributes:
        main: The asset, or None.
        assets: All that its op made, by name; empty for an upload.
        problem: What was wrong, as :func:`~studio_pipelines.errors.problem_of` tells it, or None.
    """

    main: Artifact | None
    assets: Mapping[str, Artifact] = field(default_factory=lambda: MappingProxyType({}))
    problem: Mapping[str, Any] | None = None


@dg.dagster_type_loader(
    dg.ScalarUnion(scalar_type=dg.String, non_scalar_schema=dg.Array(dg.String)),
    required_resource_keys={"artifacts"},
)
def _handover_of_ids(context: dg.DagsterTypeLoaderContext, given: str | list[str]) -> "Handover":
    store = context.resources.artifacts
    if isinstance(given, list):
        return Handover(tuple(_loaded(store, asset_id) for asset_id in given), is_list=True)
    try:
        return Handover((HandedItem(store.get(given)),))
    except StudioError as error:
        raise InputNotLoaded(error) from error


def _loaded(store: ArtifactStore, asset_id: str) -> HandedItem:
    try:
        return HandedItem(store.get(asset_id))
    except StudioError as error:
        if not error.is_of_one_item:
            raise InputNotLoaded(error) from error
        return HandedItem(None, problem=problem_of(error))


@dg.usable_as_dagster_type(
    name="Assets", description="An asset id, or a list of them.", loader=_handover_of_ids
)
@dataclass(frozen=True)
class Handover:
    """One item, or a list of them.

    Attributes:
        items: The items; one where it is no list.
        is_list: Whether a list was asked for, be it of one.
    """

    items: tuple[HandedItem, ...]
    is_list: bool = False
