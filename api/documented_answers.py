"""How routes say, for the OpenAPI document, what they may answer.

A route's ``responses`` are the whole truth about it: :mod:`api.openapi` takes nothing else.
"""

import http
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from api.errors import PROBLEM_MEDIA_TYPE, RETRY_AFTER_S, problem_type
from studio_pipelines.errors import StudioError

Answers = dict[int | str, dict[str, Any]]
JSON = "application/json"


def reference(model: type[BaseModel]) -> dict[str, str]:
    """Return a schema that is a named one."""
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def answer(
    status: int,
    description: str,
    *models: type[BaseModel],
    examples: Mapping[str, Any],
    headers: Mapping[str, str] | None = None,
) -> Answers:
    """Return a JSON answer.

    Args:
        status: Its HTTP status.
        description: When it is given.
        models: What it is: one of these.
        examples: Bodies by their titles.
        headers: Descriptions of its headers.
    """
    schemas = [reference(one) for one in models]
    content = {
        "schema": schemas[0] if len(schemas) == 1 else {"oneOf": schemas},
        "examples": {title: {"value": body} for title, body in examples.items()},
    }
    said: dict[str, Any] = {"description": description, "content": {JSON: content}}
    if headers:
        said["headers"] = {
            name: {"description": text, "required": True, "schema": {"type": "string"}}
            for name, text in headers.items()
        }
    return {status: said}


def problems(*types: type[StudioError]) -> Answers:
    """Return the problem documents that faults of these types become, an example of each code."""
    answers: Answers = {}
    for one in types:
        said = answers.setdefault(one.status, _problem(one.status))
        said["content"][PROBLEM_MEDIA_TYPE]["examples"][one.code] = {
            "summary": one.code,
            "value": _example(one),
        }
    return answers


def _problem(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    said: dict[str, Any] = {
        "description": http.HTTPStatus(status).phrase,
        "content": {PROBLEM_MEDIA_TYPE: {"schema": schema, "examples": {}}},
    }
    if status in (429, 503):
        about = "Seconds after which to try again."
        said["headers"] = {
            "Retry-After": {
                "description": about,
                "required": True,
                "schema": {"type": "integer", "minimum": 0},
                "example": RETRY_AFTER_S,
            }
        }
    if status == http.HTTPStatus.UNAUTHORIZED:
        about = "`Bearer`, and what is wrong with the key (RFC 6750)."
        said["headers"] = {
            "WWW-Authenticate": {
                "description": about,
                "required": True,
                "schema": {"type": "string"},
            }
        }
    return said


def _example(fault: type[StudioError]) -> dict[str, Any]:
    message = " ".join((fault.__doc__ or "").split("\n\n")[0].split())
    return {
        "type": problem_type(fault.code),
        "title": http.HTTPStatus(fault.status).phrase,
        "status": fault.status,
        "detail": message,
        "instance": "/api",
        "success": False,
        "error": {"code": fault.code, "message": message, "field": None, "hint": fault.advice},
    }
