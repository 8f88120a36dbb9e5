"""Where an op stands: alone in its job, or as one step of a chain, which its node's tags tell."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg

CHAIN_TAG = "studio/chain"
STEP_TAG = "studio/step"
PARTS_TAG = "studio/parts"


@dataclass(frozen=True)
class OpPlace:
    """An op's place in its job.

    Attributes:
        step: Name of the step; the op's where it stands alone.
        chain: Name of the chain's assets, or None.
        number: Which step it is, from 0.
        of: How many steps there are.
        parts: Names of the results that are assets of their own in the UI.
    """

    step: str
    chain: str | None = None
    number: int = 0
    of: int = 1
    parts: tuple[str, ...] = ()

    @property
    def asset_key(self) -> dg.AssetKey:
        """Key of the step's result."""
        return dg.AssetKey([self.chain, self.step] if self.chain else [self.step])

    def part_key(self, part: str) -> dg.AssetKey:
        """Key of one of the results that are assets of their own."""
        return dg.AssetKey([*self.asset_key.path, part])

    def tags(self) -> dict[str, str]:
        """Return the tags of the step's node that :func:`place_of` reads."""
        if self.chain is None:
            return {}
        parts = {PARTS_TAG: json.dumps(self.parts)} if self.parts else {}
        return {CHAIN_TAG: self.chain, STEP_TAG: f"{self.number + 1} of {self.of}", **parts}


def place_of(context: dg.OpExecutionContext) -> OpPlace:
    """Return the place of the op that runs."""
    step = context.get_step_execution_context().step
    return _place(context.op_handle.name, step.tags or {})


def _place(step: str, tags: Mapping[str, str]) -> OpPlace:
    if CHAIN_TAG not in tags:
        return OpPlace(step)
    number, _, of = tags[STEP_TAG].partition(" of ")
    parts = tuple(json.loads(tags.get(PARTS_TAG, "[]")))
    return OpPlace(step, tags[CHAIN_TAG], int(number) - 1, int(of), parts)
