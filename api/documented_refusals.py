"""What the gate may answer before any route, as the OpenAPI document shows it."""

from typing import Any

from fastapi import Security
from fastapi.security import HTTPBearer

from api.errors import PROBLEM_MEDIA_TYPE
from api.refusals import KeyMissing, NotInScope, RateLimited, Refusal

_SCHEME = HTTPBearer(
    scheme_name="apiKey",
    bearerFormat="sk_…",
    description="A key of `studio keys create`. Not needed while the studio is on loopback only.",
    auto_error=False,
)


def _answer(title: str, refusal: Refusal) -> dict[str, Any]:
    error = {"code": refusal.code, "message": refusal.message, "field": None, "hint": refusal.hint}
    example = {
        "type": f"urn:studio:problem:{refusal.code}",
        "title": title,
        "status": refusal.status,
        "detail": refusal.message,
        "instance": "/api/jobs",
        "success": False,
        "error": error,
        **refusal.more,
    }
    headers = {name: {"schema": {"type": "string"}} for name in refusal.headers}
    return {
        "description": title,
        "headers": headers,
        "content": {PROBLEM_MEDIA_TYPE: {"schema": {"type": "object"}, "example": example}},
    }


# What every route behind the gate has in common.
GUARDED: dict[str, Any] = {
    "dependencies": [Security(_SCHEME)],
    "responses": {
        401: _answer("Unauthorized", KeyMissing()),
        403: _answer("Forbidden", NotInScope("audio_master")),
        429: _answer(
            "Too Many Requests",
            RateLimited(
                "The API key has made 60 requests within a minute, which is its limit.",
                "requests",
                12,
                {"RateLimit-Policy": '"requests";q=60;w=60', "RateLimit": '"requests";r=0;t=12'},
            ),
        ),
    },
}
