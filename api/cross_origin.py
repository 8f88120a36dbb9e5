"""Other sites' pages that may use the API from a browser (CORS, in the Fetch standard)."""

from collections.abc import Sequence

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

ANSWERS_KEPT_S = 3600
SENT = (
    "Authorization",
    "Cache-Control",
    "Content-Type",
    "Idempotency-Key",
    "If-None-Match",
    "Last-Event-ID",
    "Prefer",
    "Range",
    "traceparent",
)
TOLD = (
    "Content-Disposition",
    "Content-Range",
    "ETag",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
)


def allow_origins(app: FastAPI, origins: Sequence[str]) -> None:
    """Let pages of these sites send requests, with a key in a header and never with cookies."""
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(origins),
        allow_methods=["GET", "HEAD", "POST", "DELETE"],
        allow_headers=list(SENT),
        expose_headers=list(TOLD),
        allow_credentials=False,
        max_age=ANSWERS_KEPT_S,
    )
