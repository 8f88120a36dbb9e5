"""What an operation is: its op, its route, its worker, and what goes in and comes out.

An operation's file declares one :class:`Operation`. The job, the route, the queue, the OpenAPI
entry, the status row and the documentation are read off that record by plain loops.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import dagster as dg
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from resources.artifact import Artifact
from resources.handover import Handover
from resources.model_shelf import ModelShelf
from studio_pipelines.errors import InvalidParameter
from studio_pipelines.media.sniff import Media
from studio_pipelines.model_choice import ChosenModel, ModelIdentity, usual_models
from studio_pipelines.op_inputs import input_forms, is_list, items_of, visible_signature
from studio_pipelines.op_items import Call
from studio_pipelines.op_records import handover_of, recorded, recorded_handover
from studio_pipelines.op_surroundings import (
    begin_progress,
    faults_as_failures,
    nothing_left_of_failures,
    op_span,
)
from studio_pipelines.parameter_config import dagster_config_of

MOST_ITEMS = 64


class Parameters(BaseModel):
    """Base of every operation's parameters: camelCase outside, unknown names refused."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True
    )


@dataclass(frozen=True)
class OperationResult:
    """What an op made and measured.

    Attributes:
        assets: The results by name; the first one is the main asset.
        metrics: Figures of the work itself, units in the names.
        verification: What the op measured of its own output.
        model: What did the work.
        preview_png: A small picture for the Dagster UI, or None.
        notes: Plain sentences that the person should know of.
    """

    assets: Mapping[str, Artifact]
    metrics: Mapping[str, Any]
    verification: Mapping[str, Any]
    model: ModelIdentity
    preview_png: bytes | None = None
    notes: tuple[str, ...] = ()

    @property
    def main(self) -> Artifact:
        """The asset that ``data.url`` points to."""
        return next(iter(self.assets.values()))

    def describe(self) -> dict[str, Any]:
        """Return the record that storage and the API share; asset URLs are added by the API."""
        return {
            # Dagster stores JSON with its keys sorted: which asset comes first is lost there.
            "main": next(iter(self.assets)),
            "assets": {name: asset.describe() for name, asset in self.assets.items()},
            "metrics": dict(self.metrics),
            "verification": dict(self.verification),
            "model": self.model.__dict__,
            **({"notes": list(self.notes)} if self.notes else {}),
        }


@dataclass(frozen=True, eq=False)
class Operation:
    """The declaration of one operation.

    Attributes:
        op: The Dagster op; its name is the operation's name and its file's name.
        parameters: The pydantic model of its parameters.
        route: Path below ``/api``.
        worker: Public id of the worker that serves it.
        lane: Name of the worker process that it shares with its like.
        accepts: Kinds of media by input name; the first is the main input.
        returns: Kind of the main result.
        most_items: How many items a list for the main input may have; 1 where it takes no list.
        version: Raised when the same input and parameters give another result.
        chooses: Returns the models that a job runs, the main one first, by the same rule as the
            op, of its parameters, the names of the inputs that it has, and what is installed;
            raises what the op would. Left out, every model of the worker that is installed counts.
        waits_by_default: Whether a request without ``async`` waits for the result.
        timeout_s: Deadline of a job that names none.
        preload: Called once in the lane's worker before it forks the process that runs jobs, for
            imports and compiled kernels: a process that takes a dead one's place inherits them.
            It leaves nothing behind that a fork breaks: no thread, process, connection or device.
        warm_up: Called once in each process that runs jobs, for what a fork does not inherit.
        examples: Request bodies for the documentation.
    """

    op: dg.OpDefinition
    parameters: type[Parameters]
    route: str
    worker: str
    lane: str
    accepts: Mapping[str, tuple[Media, ...]]
    returns: Media
    most_items: int = MOST_ITEMS
    version: str = "1"
    chooses: Callable[[Any, Set[str], ModelShelf], tuple[ChosenModel, ...]] | None = None
    waits_by_default: bool = True
    timeout_s: int = 3600
    preload: Callable[[], None] | None = None
    warm_up: Callable[[], None] | None = None
    examples: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def name(self) -> str:
        """Name of the op, its job and its queue."""
        return self.op.name

    @property
    def summary(self) -> str:
        """One sentence for people: the first line of the op's docstring."""
        return (self.op.description or "").strip().split("\n")[0]

    @property
    def main_input(self) -> str | None:
        """Name of the input that may be a list, or None."""
        return next(iter(self.accepts), None) if self.most_items > 1 else None

    def models_for(
        self, parameters: Parameters, given: Set[str], shelf: ModelShelf
    ) -> tuple[ChosenModel, ...]:
        """Return the models that a job with these parameters runs, the main one first.

        Args:
            parameters: They.
            given: Names of the inputs that it has.
            shelf: What is installed.

        Raises:
            StudioError: There is no such model, or it cannot be used.
        """
        choose = self.chooses or functools.partial(usual_models, self.worker)
        return choose(parameters, given, shelf)

    @property
    def required_inputs(self) -> tuple[str, ...]:
        """Names of the inputs that a request cannot leave out."""
        return tuple(
            name for name in self.accepts if not self.op.input_dict[name].has_default_value
        )


def studio_op(
    parameters: type[Parameters], *, prepare: Callable[..., Any] | None = None
) -> Callable[[Callable[..., OperationResult]], dg.OpDefinition]:
    """Make a function ``(context, params, <inputs>, <resources>)`` a Dagster op.

    The op's config is derived from ``parameters`` and validated by it again inside the run. The
    result is recorded as an asset materialisation, and the op's output hands its assets on, so
    that one op's result can be another's input.

    An input's annotation says what the function gets. ``Artifact``: one item; where the job has a
    list, the function is called for each item, and a fault of one is kept as that item's.
    ``list[Artifact]``: all items in one call, which makes one result of them. ``Mapping[str,
    Artifact]``: what the op before it in a chain has made, by name.

    Args:
        parameters: The model of the op's parameters.
        prepare: For items that have something in common, such as the gain of an album: called
            once as ``(context, params, items, <other inputs>, <resources>)`` before the first
            item, ``items`` being the assets of the first input, also where there is one. The
            function takes what it returns as ``shared``. A fault of it fails the job.
    """

    def decorate(function: Callable[..., OperationResult]) -> dg.OpDefinition:
        forms = input_forms(function)

        @functools.wraps(function)
        def compute(context: dg.OpExecutionContext, **given: Any) -> Iterator[Any]:
            inputs = {name: given.pop(name) for name in forms if name in given}
            begin_progress(context, given)
            if done_before := recorded_handover(context, given["artifacts"]):
                context.log.info("The result was stored before the worker died; it is taken over.")
                yield dg.Output(done_before)
                return
            with (
                op_span(context),
                faults_as_failures(context, forms),
                nothing_left_of_failures(given),
            ):
                params = _validated(parameters, context.op_config)
                items, many = items_of(inputs, forms), is_list(inputs, forms)
                call = Call(function, context, params, given).with_shared(prepare, items)
                outcomes = (yield from call.each(items)) if many else [call.once(items[0])]
            yield from recorded(context, outcomes, many=many)
            yield dg.Output(handover_of(outcomes, many=many))

        # Dagster reads the inputs and resources off the signature; the parameters are config.
        signature = visible_signature(function)
        compute.__signature__ = signature  # pyright: ignore[reportAttributeAccessIssue]
        compute.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
        make_op = dg.op(config_schema=dagster_config_of(parameters), out=dg.Out(Handover))
        return make_op(compute)

    return decorate


def _validated(parameters: type[Parameters], config: Mapping[str, Any]) -> Parameters:
    try:
        return parameters.model_validate(config)
    except ValidationError as error:
        first = error.errors()[0]
        name = to_camel(str(first["loc"][0])) if first["loc"] else None
        raise InvalidParameter(first["msg"], field=name) from error
