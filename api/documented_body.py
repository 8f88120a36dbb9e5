"""A request's body as the OpenAPI document shows it."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel


def documented_body(
    model: type[BaseModel],
    examples: Mapping[str, Mapping[str, Any]],
    files: Mapping[str, bool],
) -> dict[str, Any]:
    """Return the body, as JSON and as a form.

    Args:
        model: Checks the JSON.
        examples: Bodies by their titles.
        files: The inputs, and whether each may be a list.
    """
    file = {"type": "string", "format": "binary"}
    several = {"anyOf": [file, {"type": "array", "items": file}]}
    parts = {name: several if many else file for name, many in files.items()}
    form = {"type": "object", "properties": {"params": {"type": "string"}, **parts}}
    schema = _whole(model.model_json_schema(by_alias=True))
    return {
        "required": True,
        "content": {
            "application/json": {
                "schema": schema,
                "examples": {title: {"value": dict(body)} for title, body in examples.items()},
            },
            "multipart/form-data": {"schema": form},
        },
    }


def _whole(schema: dict[str, Any]) -> dict[str, Any]:
    """Put the models that a schema refers to in their places: within a document they have none."""
    models = schema.pop("$defs", {})

    def put(part: Any) -> Any:
        if isinstance(part, list):
            return [put(one) for one in part]
        if not isinstance(part, dict):
            return part
        rest = {name: put(one) for name, one in part.items() if name != "$ref"}
        if "$ref" not in part:
            return rest
        return {**put(models[part["$ref"].rpartition("/")[2]]), **rest}

    return put(schema)
