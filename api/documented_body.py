"""A request's body as the OpenAPI document shows it: named schemas, as JSON and as a form."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from api.documented_answers import JSON, reference
from api.multipart import FORM

_FILE = {"type": "string", "format": "binary"}
PARAMS = {
    "type": "object",
    "description": "All fields that are no files, as one JSON object, instead of parts of their "
    "own.",
}


def form_name(request: str) -> str:
    """Return what the form of a request is called."""
    return f"{request.removesuffix('Request')}Form"


def documented_body(
    model: type[BaseModel], examples: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the body, as JSON and as a form.

    Args:
        model: Checks the JSON.
        examples: Bodies by their titles.
    """
    form = {"$ref": f"#/components/schemas/{form_name(model.__name__)}"}
    return {
        "required": True,
        "content": {
            JSON: {
                "schema": reference(model),
                "examples": {title: {"value": dict(body)} for title, body in examples.items()},
            },
            FORM: {"schema": form, "encoding": {"params": {"contentType": JSON}}},
        },
    }


def form_schema(schema: Mapping[str, Any], files: Mapping[str, bool]) -> dict[str, Any]:
    """Return the schema of a form.

    Args:
        schema: That of the same request as JSON.
        files: The inputs, and whether each may be a list; those of a chain's step as
            ``step.input``.
    """
    fields = {name: one for name, one in schema["properties"].items() if name not in files}
    return {
        "type": "object",
        "title": form_name(schema["title"]),
        "description": "Files as parts of the inputs' names; a part that is no file is read as "
        "JSON where its field is no text.",
        "properties": {
            **{name: _part(schema, name, many) for name, many in files.items()},
            **fields,
            "params": PARAMS,
        },
        "additionalProperties": False,
    }


def _part(schema: Mapping[str, Any], name: str, many: bool) -> dict[str, Any]:
    described = schema["properties"].get(name, {}).get("description", "A media file.")
    if not many:
        return {**_FILE, "description": described}
    return {
        "description": described,
        "anyOf": [_FILE, {"type": "array", "items": _FILE, "minItems": 1}],
    }
