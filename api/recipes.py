"""Recipes: all that decides what a job makes, so that equal ones need be made once.

A recipe is what ``GET /api/jobs/{id}/recipe`` tells: operations with their versions, their full
parameters, inputs by content, models by the hash of their weights.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.job_order import AssetIds, JobOrder
from resources.artifacts import ArtifactStore
from resources.model_shelf import ModelShelf
from resources.run_tags import LOCAL_OWNER
from studio_pipelines.chain import LinkedChain
from studio_pipelines.errors import StudioError
from studio_pipelines.inner_op import InnerOp
from studio_pipelines.model_choice import ChosenModel
from studio_pipelines.operation import Operation

RANDOM = "random"
RECIPE_METADATA = "recipe"


@dataclass(frozen=True)
class Recipe:
    """How a job's results are made.

    Attributes:
        document: The recipe as JSON can hold it.
        models: The models of each step, the main one first.
        input_bytes: Size of all inputs.
        fault: What is wrong with the choice of a model, as far as can be told here; or None.
    """

    document: Mapping[str, Any]
    models: Mapping[str, tuple[ChosenModel, ...]]
    input_bytes: int
    fault: StudioError | None = None

    @property
    def is_repeatable(self) -> bool:
        """Whether a job like it makes the same: no chance in it, and all of its models known."""
        steps = self.document["steps"].values()
        return self.fault is None and all(one["seed"] != RANDOM for one in steps)

    def key(self, owner: str = LOCAL_OWNER) -> str:
        """Return its hash; assets count by their content, and each owner's recipes are his own."""
        text = json.dumps([owner, _without_ids(self.document)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def recipe_of(order: JobOrder, artifacts: ArtifactStore, shelf: ModelShelf) -> Recipe:
    """Return the recipe of an order.

    A model that cannot be chosen here leaves the choice, and the words for what is wrong, to the
    worker.

    Raises:
        ArtifactNotFound: An input has just been deleted.
    """
    models: dict[str, tuple[ChosenModel, ...]] = {}
    steps: dict[str, Any] = {}
    inputs = _Inputs(artifacts)
    fault: StudioError | None = None
    for name, op in ops_of(order.operation).items():
        parameters = op.parameters.model_validate(dict(order.ops[name].parameters))
        try:
            models[name] = op.models_for(parameters, _given(order, name), shelf)
        except StudioError as error:
            fault = fault or error
        told = parameters.model_dump(mode="json", by_alias=True)
        steps[name] = {
            "operation": op.name,
            "version": op.version,
            "inputs": inputs.described(order.ops[name].inputs),
            "parameters": told,
            "models": [one.describe() for one in models[name]] if name in models else None,
            "seed": told.get("seed"),
        }
    document = {
        "operation": order.operation.name,
        "version": order.operation.version,
        "inputs": inputs.described(order.shared_inputs),
        "steps": steps,
    }
    return Recipe(document, models, inputs.total_bytes, fault)


def ops_of(operation: Operation | LinkedChain) -> Mapping[str, Operation | InnerOp]:
    """Return what a job does, step by step."""
    return operation.ops if isinstance(operation, LinkedChain) else {operation.name: operation}


def _given(order: JobOrder, step: str) -> frozenset[str]:
    """Return the names of the inputs that a step will have, whoever gives them."""
    own = frozenset(order.ops[step].inputs)
    if not isinstance(order.operation, LinkedChain):
        return own
    return own | order.operation.fed_inputs(step, order.shared_inputs.keys())


class _Inputs:
    """Describes inputs by their content, and adds their sizes up."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        self._artifacts = artifacts
        self.total_bytes = 0

    def described(self, ids: AssetIds) -> dict[str, Any]:
        return {
            name: self._content(given)
            if isinstance(given, str)
            else [self._content(one) for one in given]
            for name, given in ids.items()
        }

    def _content(self, asset_id: str) -> dict[str, str]:
        artifact = self._artifacts.get(asset_id)
        self.total_bytes += artifact.bytes
        return {"asset": asset_id, "sha256": artifact.sha256}


def _without_ids(part: Any) -> Any:
    """Return a recipe with assets known by their hash alone."""
    if isinstance(part, list):
        return [_without_ids(one) for one in part]
    if not isinstance(part, dict):
        return part
    if part.keys() == {"asset", "sha256"}:
        return part["sha256"]
    return {name: _without_ids(one) for name, one in part.items()}


def with_chance_resolved(
    recipe: Mapping[str, Any], data: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return a recipe with the seeds that were drawn, once the job's results tell them."""
    results = (data or {}).get("steps") or dict.fromkeys(recipe["steps"], data or {})
    steps = {
        name: _with_seed(step, results.get(name, {}).get("metrics", {}).get("seed"))
        for name, step in recipe["steps"].items()
    }
    return {**recipe, "steps": steps}


def _with_seed(step: Mapping[str, Any], drawn: int | None) -> Mapping[str, Any]:
    if step["seed"] != RANDOM or drawn is None:
        return step
    return {**step, "seed": drawn, "parameters": {**step["parameters"], "seed": drawn}}
