"""How an op's function takes its inputs, read off its annotations, and the items that it gets."""

import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Union, get_args, get_origin, get_type_hints

from resources.artifact import Artifact
from resources.handover import HandedItem, Handover
from studio_pipelines.errors import InvalidParameter

# Given to the function, and unknown to Dagster.
OWN_PARAMETERS = ("params", "shared")


class Form(Enum):
    """How an input reaches the function."""

    ONE = auto()
    """``Artifact``: one item; of a list, the function is called for each."""
    NAMED = auto()
    """``Mapping[str, Artifact]``: all that the op before has made of the item, by name."""
    ALL = auto()
    """``list[Artifact]``: all items of a list together, in one call."""


_FORMS = {Artifact: Form.ONE, Mapping[str, Artifact]: Form.NAMED, list[Artifact]: Form.ALL}


@dataclass(frozen=True)
class Item:
    """What one call of the function is given, or why it is not called.

    Attributes:
        inputs: By input name; None for one that was left out.
        problem: What was wrong with an input of this item, or None.
    """

    inputs: Mapping[str, Any]
    problem: Mapping[str, Any] | None = None


def input_forms(function: Callable[..., Any]) -> dict[str, Form]:
    """Return the form of each input of an op's function, in their order."""
    hints = get_type_hints(function)
    found = {name: _form_of(hints.get(name)) for name in inspect.signature(function).parameters}
    return {name: form for name, form in found.items() if form is not None}


def _form_of(hint: Any) -> Form | None:
    if get_origin(hint) in (Union, types.UnionType):
        (hint, *others) = (one for one in get_args(hint) if one is not type(None))
        if others:
            return None
    try:
        return _FORMS.get(hint)
    except TypeError:  # an annotation that cannot be hashed is none of these
        return None


def visible_signature(function: Callable[..., Any]) -> inspect.Signature:
    """Return the signature that Dagster reads: inputs of one type, and the resources."""
    hints, forms = get_type_hints(function), input_forms(function)
    signature = inspect.signature(function)
    parameters: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        if name in OWN_PARAMETERS:
            continue
        annotation = hints.get(name, parameter.annotation)
        if name in forms:
            annotation = Handover if parameter.default is parameter.empty else Handover | None
        parameters.append(parameter.replace(annotation=annotation))
    return signature.replace(parameters=parameters, return_annotation=signature.empty)


def is_list(inputs: Mapping[str, Handover | None], forms: Mapping[str, Form]) -> bool:
    """Whether the function is to be called for each item of a list."""
    return any(_lists(inputs, forms))


def items_of(inputs: Mapping[str, Handover | None], forms: Mapping[str, Form]) -> list[Item]:
    """Return what each call of the function is given.

    Items of several lists go together by their place; what is no list goes with each.

    Raises:
        InvalidParameter: The lists are not equally long.
    """
    lists = _lists(inputs, forms)
    lengths = {len(inputs[name].items) for name in lists}  # pyright: ignore[reportOptionalMemberAccess]
    if len(lengths) > 1:
        raise InvalidParameter(
            f"The lists {', '.join(lists)} are not equally long.", field=lists[-1]
        )
    return [_item(inputs, forms, place) for place in range(lengths.pop() if lengths else 1)]


def _lists(inputs: Mapping[str, Handover | None], forms: Mapping[str, Form]) -> list[str]:
    return [
        name
        for name, given in inputs.items()
        if given is not None and given.is_list and forms[name] is not Form.ALL
    ]


def _item(inputs: Mapping[str, Handover | None], forms: Mapping[str, Form], place: int) -> Item:
    values: dict[str, Any] = {}
    for name, given in inputs.items():
        if given is None:
            values[name] = None
            continue
        handed = given.items
        if forms[name] is not Form.ALL:
            handed = (given.items[place if given.is_list else 0],)
        for one in handed:
            if one.problem is not None:
                return Item({}, one.problem)
        values[name] = _value(handed, forms[name])
    return Item(values)


def _value(handed: tuple[HandedItem, ...], form: Form) -> Any:
    if form is Form.ALL:
        return [one.main for one in handed]
    return handed[0].assets if form is Form.NAMED else handed[0].main
