"""What the gate may answer before any route, as the OpenAPI document shows it."""

from typing import Any

from fastapi import Security
from fastapi.security import HTTPBearer

from api.documented_answers import problems
from api.refusals import (
    KeyInvalid,
    KeyMissing,
    LinkInvalid,
    NotInScope,
    NotLocal,
    QuotaUsedUp,
    RateLimited,
    TooManyJobs,
)

_SCHEME = HTTPBearer(
    scheme_name="apiKey",
    bearerFormat="sk_…",
    description="A key of `studio keys create`. Not needed while the studio is on loopback only.",
    auto_error=False,
)


# What every route behind the gate has in common.
GUARDED: dict[str, Any] = {
    "dependencies": [Security(_SCHEME)],
    "responses": problems(
        KeyMissing,
        KeyInvalid,
        NotInScope,
        LinkInvalid,
        NotLocal,
        RateLimited,
        TooManyJobs,
        QuotaUsedUp,
    ),
}
