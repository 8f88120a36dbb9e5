"""Deriving an op's Dagster config from its pydantic parameters.

Dagster's own ``Config`` refuses unions, tuples and nested models, which the parameters need; so the
pydantic model is the one source, and this gives the launchpad its names, types and descriptions.
"""

import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin

import dagster as dg
from pydantic import BaseModel
from pydantic.fields import FieldInfo

_SCALARS: Mapping[type, Any] = {int: int, float: dg.Float, bool: bool, str: str}


def dagster_config_of(parameters: type[BaseModel]) -> dict[str, dg.Field]:
    """Return the config schema of an op, one optional field for each parameter.

    What Dagster can't express is ``Any`` there and checked by the pydantic model inside the op.
    """
    return {name: _field_of(info) for name, info in parameters.model_fields.items()}


def _field_of(info: FieldInfo) -> dg.Field:
    return dg.Field(
        _config_type_of(info.annotation),
        is_required=info.is_required(),
        description=info.description,
    )


def _config_type_of(annotation: Any) -> Any:
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    origin = get_origin(annotation)
    if origin is Literal and all(isinstance(choice, str) for choice in get_args(annotation)):
        return str
    if origin in (Union, types.UnionType):
        named = [choice for choice in get_args(annotation) if choice is not type(None)]
        if len(named) == 1 and len(named) < len(get_args(annotation)):
            return dg.Noneable(_config_type_of(named[0]))
    return dg.Any
