"""The bodies of requests for chains: the first op's inputs, and an object a step."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel, Field, ValidationError, create_model

from api.errors import InvalidRequest
from api.job_order import AssetIds, JobOrder, OpOrder
from api.schemas import SubmitFields, first_fault, input_field
from studio_pipelines.chain import ChainInput, LinkedChain, Step
from studio_pipelines.media.sniff import Media
from studio_pipelines.operation import Parameters

References = dict[str, str | list[str]]


@dataclass(frozen=True)
class ChainSubmission:
    """One request for a chain, taken apart.

    Attributes:
        chain: What it is for.
        inputs: Media references by input, those of a step below its name as ``step.input``.
        parameters: What was set of each step's parameters, by step.
        run: How to run it.
    """

    chain: LinkedChain
    inputs: References
    parameters: Mapping[str, Mapping[str, Any]]
    run: SubmitFields

    def order(self, asset_ids: AssetIds) -> JobOrder:
        """Return the order, with the inputs as the assets that they were resolved to."""
        chain = self.chain
        first = chain.chain.steps[0].name
        shared = {name: asset_ids[name] for name, one in chain.inputs.items() if one.shared}
        ops: dict[str, OpOrder] = {}
        for step in chain.chain.steps:
            within = "" if step.name == first else f"{step.name}."
            names = chain.inputs if step.name == first else chain.step_inputs(step.name)
            inputs = {
                name: asset_ids[within + name]
                for name in names
                if within + name in asset_ids and name not in shared
            }
            parameters = {**step.defaults, **self.parameters.get(step.name, {})}
            ops[step.name] = OpOrder(inputs, parameters)
        timeout_s = self.run.timeout_seconds or chain.chain.timeout_s
        return JobOrder(chain, ops, self.run.priority, timeout_s, shared)


@cache
def chain_body_model(chain: LinkedChain) -> type[BaseModel]:
    """Return the request body: the first op's inputs, the reserved fields, an object a step."""
    fields: dict[str, Any] = {
        name: _input_field(one, chain.most_items if name == chain.main_input else 1)
        for name, one in chain.inputs.items()
    }
    for step in chain.chain.steps:
        model = _step_model(chain, step)
        is_required = any(info.is_required() for info in model.model_fields.values())
        # The alias is the name itself: camelCase is for fields, and this is an operation.
        default: Any = ... if is_required else {}
        about = Field(default, alias=step.name, description=f"Parameters of {step.name}.")
        fields[step.name] = (model, about)
    title = "".join(part.capitalize() for part in chain.name.split("-"))
    return create_model(f"{title}Request", __base__=SubmitFields, **fields)


def _input_field(one: ChainInput, most: int) -> tuple[Any, Any]:
    return input_field(one.kinds, required=one.required, most=most)


def _step_model(chain: LinkedChain, step: Step) -> type[Parameters]:
    """Return a step's parameters, with its own defaults, and the inputs that no step makes."""
    parameters = chain.ops[step.name].parameters
    fields: dict[str, Any] = {}
    for name, default in step.defaults.items():
        known = parameters.model_fields[name]
        fields[name] = (known.rebuild_annotation(), Field(default, description=known.description))
    for name, one in chain.step_inputs(step.name).items():
        fields[name] = _input_field(one, 1)
    title = "".join(part.capitalize() for part in (*chain.name.split("-"), *step.name.split("_")))
    return create_model(title, __base__=parameters, **fields)


def accepted_by(chain: LinkedChain) -> dict[str, tuple[Media, ...]]:
    """Return the kinds of media of each input, those of a step as ``step.input``."""
    own = {name: one.kinds for name, one in chain.inputs.items()}
    steps = {
        f"{step}.{name}": one.kinds
        for step in chain.ops
        for name, one in chain.step_inputs(step).items()
    }
    return {**own, **steps}


def parse_chain_submission(chain: LinkedChain, body: Mapping[str, Any]) -> ChainSubmission:
    """Check a body against the chain's schema and take it apart.

    Raises:
        InvalidRequest: A field is missing, unknown or out of its range; the first one is named.
    """
    try:
        checked = chain_body_model(chain).model_validate(nested(body, set(chain.ops)))
    except ValidationError as error:
        raise first_fault(error, as_they_are=set(chain.ops), see="/api/pipelines") from error
    values = checked.model_dump(mode="json", exclude_unset=True)
    run = {name: values.pop(name) for name in SubmitFields.model_fields if name in values}
    inputs = {name: values[name] for name in chain.inputs if values.get(name) is not None}
    parameters: dict[str, Mapping[str, Any]] = {}
    for step in chain.ops:
        given = dict(values.get(step, {}))
        for name in chain.step_inputs(step):
            if (reference := given.pop(name, None)) is not None:
                inputs[f"{step}.{name}"] = reference
        parameters[step] = given
    return ChainSubmission(chain, inputs, parameters, SubmitFields(**run))


def nested(body: Mapping[str, Any], steps: set[str]) -> dict[str, Any]:
    """Put ``step.field`` into the step's object: a form has no other way to send a file for it.

    Raises:
        InvalidRequest: A field is given in both ways.
    """
    whole = {name: value for name, value in body.items() if name.partition(".")[0] not in steps}
    for step in steps:
        prefix = f"{step}."
        dotted = {
            name.removeprefix(prefix): one for name, one in body.items() if name.startswith(prefix)
        }
        if step in body or dotted:
            whole[step] = _joined(step, body.get(step, {}), dotted)
    return whole


def _joined(step: str, given: Any, dotted: Mapping[str, Any]) -> Any:
    if not dotted:
        return given
    if not isinstance(given, Mapping) or given.keys() & dotted:
        raise InvalidRequest(
            f"{step}: a field is given twice, as {step}.field and in the object {step}.",
            field=step,
            hint="Give each field in one way.",
        )
    return {**given, **dotted}
