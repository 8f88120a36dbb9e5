"""The OpenAPI document: FastAPI's list of the routes, with named schemas and whole answers.

FastAPI drops nulls from examples, names no schema of a body that a route reads itself, and adds
answers of its own; so bodies and answers are put in as the routes declare them.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute

from api.documented_answers import Answers, problems
from api.documented_refusals import GUARDED
from api.documented_webhooks import WEBHOOKS
from api.errors import PROBLEM_MEDIA_TYPE, InternalError
from api.named_schemas import named_schemas
from api.path_ids import EXAMPLE_ASSET, EXAMPLE_JOB, EXAMPLE_MESSAGE
from studio_pipelines.catalogue import workers

TAGS = {
    "pipelines": "Chains: several operations as one job.",
    "jobs": "Look at jobs, follow, stop, repeat and forget them.",
    "assets": "Files: what goes into jobs, and what they make.",
    "service": "What the studio can do, and how it stands.",
}
# What any route may answer.
EVERYWHERE: Answers = problems(InternalError)


def openapi_document(app: FastAPI, *, needs_keys: bool) -> dict[str, Any]:
    """Return the document of the app's routes.

    Args:
        app: The app, with all of its routes.
        needs_keys: Whether requests need an API key; else they may bring one.
    """
    document = get_openapi(
        title=app.title, version=app.version, summary=app.summary, routes=app.routes
    )
    for route in _documented(app.routes):
        for method in route.methods or ():
            entry = document["paths"][route.path_format][method.lower()]
            entry |= route.openapi_extra or {}
            entry["responses"] = _answers(route, guarded="security" in entry)
            if "security" in entry and not needs_keys:
                entry["security"] = [*entry["security"], {}]
    document["webhooks"] = WEBHOOKS
    document["components"] = {**document.get("components", {}), "schemas": named_schemas()}
    document["tags"] = list(_tags())
    return document


def _documented(routes: Sequence[BaseRoute]) -> Iterator[APIRoute]:
    for context in iter_route_contexts(routes):
        route = context.original_route
        if isinstance(route, APIRoute) and route.include_in_schema:
            yield route


def _answers(route: APIRoute, *, guarded: bool) -> dict[str, Any]:
    """Return a route's answers, and those of any, its path in their examples."""
    answers = _joined(EVERYWHERE, route.responses)
    if guarded:
        answers = _joined(GUARDED["responses"], answers)
    path = route.path_format
    for name, example in (
        ("job_id", EXAMPLE_JOB),
        ("asset_id", EXAMPLE_ASSET),
        ("message_id", EXAMPLE_MESSAGE),
    ):
        path = path.replace(f"{{{name}}}", example)
    said = {str(status): one for status, one in sorted(answers.items())}
    return {status: _at(path, one) for status, one in said.items()}


def _joined(shared: Answers, own: Answers) -> Answers:
    """Return a route's own answers and shared ones, with the examples of both."""
    joined = {**shared, **own}
    for status in shared.keys() & own.keys():
        ours = own[status]["content"].get(PROBLEM_MEDIA_TYPE, {"examples": {}})
        theirs = shared[status]["content"][PROBLEM_MEDIA_TYPE]
        examples = {**ours["examples"], **theirs["examples"]}
        content = {**own[status]["content"], PROBLEM_MEDIA_TYPE: {**theirs, "examples": examples}}
        joined[status] = {**own[status], "content": content}
    return joined


def _at(path: str, said: dict[str, Any]) -> dict[str, Any]:
    """Return an answer with the path that its problem documents name."""
    problem = said.get("content", {}).get(PROBLEM_MEDIA_TYPE)
    if problem is None:
        return said
    examples = {
        code: {**one, "value": {**one["value"], "instance": path}}
        for code, one in problem["examples"].items()
    }
    content = {**said["content"], PROBLEM_MEDIA_TYPE: {**problem, "examples": examples}}
    return {**said, "content": content}


def _tags() -> Iterator[dict[str, str]]:
    """Give a description of each tag: the studios' by their operations, then the others."""
    does: dict[str, list[str]] = {}
    for worker in workers():
        does.setdefault(worker.route.split("/")[1], []).append(worker.does)
    for studio, words in does.items():
        text = "; ".join(one.rstrip(".") for one in words)
        yield {"name": studio, "description": f"{text[:1].upper()}{text[1:]}."}
    for name, description in TAGS.items():
        yield {"name": name, "description": description}
