"""What a chain is: several ops in one run, each working on what the one before has made.

``chains.py`` declares one :class:`Chain` each; the job, the route, the queue, the assets with their
lineage and the documentation are read off it and off the operations that it joins.
"""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any

import dagster as dg
from dagster import GraphDefinition
from dagster._core.definitions.dependency import NodeInput

from studio_pipelines.inner_op import InnerOp
from studio_pipelines.media.sniff import Media
from studio_pipelines.op_place import OpPlace
from studio_pipelines.operation import Operation

Steps = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """One op of a chain.

    Attributes:
        does: Name of an operation, or an op of the chains' own.
        alias: Name of the step where it is not the op's, as in a chain that has one op twice.
        parts: Names of results that are assets of their own in the Dagster UI.
        defaults: Parameters that are other than the operation's own defaults.
        withheld: Inputs that a request cannot give, as they stand in for what the chain gives.
    """

    does: str | InnerOp
    alias: str | None = None
    parts: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    withheld: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the step, and of its field in a request."""
        return self.alias or (self.does if isinstance(self.does, str) else self.does.name)


@dataclass(frozen=True, eq=False)
class Chain:
    """The declaration of one chain.

    Attributes:
        name: Public name, words joined by hyphens.
        compose: Joins the ops as the body of a Dagster graph does; it is given them by the names
            of their steps. What else it takes are inputs of the request that several ops share,
            annotated :class:`~resources.handover.Handover`. Its docstring is product text.
        steps: In the order in which they are done.
        version: Raised when they are joined in another way.
        timeout_s: Deadline of a job that names none.
        examples: Request bodies for the documentation.
    """

    name: str
    compose: Callable[..., None]
    steps: tuple[Step, ...]
    version: str = "1"
    timeout_s: int = 3600
    examples: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def summary(self) -> str:
        """One sentence for people: the first line of the docstring."""
        return (self.compose.__doc__ or "").strip().split("\n")[0]

    def missing(self, built: Mapping[str, Operation]) -> tuple[str, ...]:
        """Return the operations that it needs and that are not built."""
        names = (step.does for step in self.steps if isinstance(step.does, str))
        return tuple(name for name in names if name not in built)

    def linked(self, built: Mapping[str, Operation]) -> "LinkedChain":
        """Return the chain with its operations, none of which may be missing."""
        ops = {
            step.name: built[step.does] if isinstance(step.does, str) else step.does
            for step in self.steps
        }
        return LinkedChain(self, ops)


@dataclass(frozen=True)
class ChainInput:
    """An input of a chain or of one of its steps.

    Attributes:
        kinds: The kinds of media that it may be.
        required: Whether a request cannot leave it out.
        shared: Whether several steps get it, as an input of the graph.
    """

    kinds: tuple[Media, ...]
    required: bool
    shared: bool = False


@dataclass(frozen=True, eq=False)
class LinkedChain:
    """A chain whose operations are all built.

    Attributes:
        chain: The declaration.
        ops: The operations, and ops of the chains' own, by step.
    """

    chain: Chain
    ops: Mapping[str, Operation | InnerOp]

    @property
    def name(self) -> str:
        """Public name."""
        return self.chain.name

    @property
    def worker(self) -> str:
        """Who serves it, as a message names it."""
        return self.name

    @property
    def version(self) -> str:
        """Version of the chain itself; its operations have their own."""
        return self.chain.version

    @property
    def key(self) -> str:
        """The name as Dagster admits it."""
        return self.name.replace("-", "_")

    @property
    def queue(self) -> str:
        """The queue of its runs."""
        return f"chain.{self.name}"

    @property
    def operations(self) -> dict[str, Operation]:
        """The steps that are operations of the studio."""
        return {step: op for step, op in self.ops.items() if isinstance(op, Operation)}

    @property
    def lane(self) -> str:
        """The lane whose workers run it: that of its first operation."""
        return next(iter(self.operations.values())).lane

    @property
    def most_items(self) -> int:
        """How many items a list for its main input may have; 1 where it takes no list."""
        return min(operation.most_items for operation in self.operations.values())

    @property
    def main_input(self) -> str | None:
        """Name of the input that may be a list, or None."""
        first = self.ops[self.chain.steps[0].name]
        return first.main_input if isinstance(first, Operation) and self.most_items > 1 else None

    @cached_property
    def places(self) -> dict[str, OpPlace]:
        """Where each step stands."""
        of = len(self.chain.steps)
        return {
            step.name: OpPlace(step.name, self.key, number, of, step.parts)
            for number, step in enumerate(self.chain.steps)
        }

    @cached_property
    def graph(self) -> GraphDefinition:
        """The Dagster graph."""
        ops = {
            step: op.op.alias(step).tag(self.places[step].tags()) for step, op in self.ops.items()
        }
        make_graph = dg.graph(name=f"{self.key}_job", description=self.chain.summary)
        return make_graph(partial(self.chain.compose, MappingProxyType(ops)))

    @cached_property
    def inputs(self) -> dict[str, ChainInput]:
        """What a request may give beside the steps' parameters, by name."""
        shared = {
            mapping.graph_input_name: self._input(
                mapping.maps_to.node_name, mapping.maps_to.input_name, shared=True
            )
            # Of the steps that share an input, the first that is an operation says what it is.
            for mapping in reversed(self.graph.input_mappings)
            if isinstance(self.ops[mapping.maps_to.node_name], Operation)
        }
        return {**shared, **self._open_inputs(self.chain.steps[0].name)}

    def step_inputs(self, step: str) -> dict[str, ChainInput]:
        """Return what a request may give below a step's name: what no other step makes."""
        return {} if step == self.chain.steps[0].name else self._open_inputs(step)

    def fed_inputs(self, step: str, shared: Set[str]) -> frozenset[str]:
        """Return the inputs of a step that others make, or that the graph gets of ``shared``."""
        node, dependencies = self.graph.node_named(step), self.graph.dependency_structure
        inputs = node.definition.input_defs
        made = (one.name for one in inputs if dependencies.has_deps(NodeInput(node, one)))
        mapped = (
            one.maps_to.input_name
            for one in self.graph.input_mappings
            if one.maps_to.node_name == step and one.graph_input_name in shared
        )
        return frozenset((*made, *mapped))

    def made_from(self, step: str) -> list[dg.AssetKey]:
        """Return the assets that a step's result is made from: the lineage in the Dagster UI."""
        node = self.graph.node_named(step)
        dependencies = self.graph.dependency_structure
        given = [NodeInput(node, one) for one in node.definition.input_defs]
        above = [
            self.places[dependencies.get_direct_dep(one).node_name]
            for one in given
            if dependencies.has_deps(one)
        ]
        return [
            key
            for place in dict.fromkeys(above)
            for key in ([place.part_key(part) for part in place.parts] or [place.asset_key])
        ]

    def _open_inputs(self, step: str) -> dict[str, ChainInput]:
        """Return the inputs of a step that neither another step nor the graph gives."""
        (declared,) = (one for one in self.chain.steps if one.name == step)
        of_graph = {one.graph_input_name for one in self.graph.input_mappings}
        given = {*declared.withheld} | self.fed_inputs(step, of_graph)
        inputs = self.graph.node_named(step).definition.input_defs
        return {one.name: self._input(step, one.name) for one in inputs if one.name not in given}

    def _input(self, step: str, name: str, *, shared: bool = False) -> ChainInput:
        op = self.ops[step]
        kinds = op.accepts[name] if isinstance(op, Operation) else ()
        required = not op.op.input_dict[name].has_default_value
        return ChainInput(kinds, required, shared)
