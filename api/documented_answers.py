"""The answers to a submission as the OpenAPI document shows them.

What is null in an answer has a value here: FastAPI leaves nulls out of examples.
"""

from typing import Any

from api.errors import PROBLEM_MEDIA_TYPE

_JOB = "job_0123456789abcdef0123456789abcdef"
_ASSET = {
    "id": "ast_0123456789abcdef01234567",
    "url": "http://127.0.0.1:8000/api/assets/ast_0123456789abcdef01234567",
    "mediaType": "image/png",
    "bytes": 1048576,
    "sha256": "0" * 64,
    "createdAt": "2026-01-01T00:00:00.000+00:00",
    "jobId": _JOB,
}
_MODEL = {"name": "model", "version": "1", "licence": "Apache-2.0", "source": "builtin"}
_QUOTED_MODEL = {"step": "grading_apply", **_MODEL, "sha256": "0" * 64}
_COMPLETED = {
    "success": True,
    "jobId": _JOB,
    "status": "completed",
    "cached": False,
    "data": {
        "url": _ASSET["url"],
        "assets": {"image": _ASSET},
        "metrics": {"peakRamMiB": 182.4},
        "verification": {"passed": True},
        "model": _MODEL,
        "timings": {"queuedMs": 12.1, "startMs": 20.4, "runMs": 240.3, "totalMs": 272.8},
    },
}
_QUOTE = {
    "success": True,
    "dryRun": True,
    "quote": {
        "operation": "grading_apply",
        "cached": True,
        "jobId": _JOB,
        "model": _QUOTED_MODEL,
        "models": [_QUOTED_MODEL],
        "estimatedSeconds": 0.41,
        "peakRamMiB": 182.4,
        "peakVramMiB": 940.0,
        "basis": {"jobs": 12, "model": "model", "inputSize": "2 megabytes"},
        "queuePosition": 1,
        "startsInSeconds": 0.0,
    },
}


def _problem(
    status: int, title: str, code: str, message: str, field: str, hint: str
) -> dict[str, Any]:
    example = {
        "type": f"urn:studio:problem:{code}",
        "title": title,
        "status": status,
        "detail": message,
        "instance": "/api/grading/apply",
        "success": False,
        "error": {"code": code, "message": message, "field": field or None, "hint": hint},
    }
    return {
        "description": title,
        "content": {PROBLEM_MEDIA_TYPE: {"schema": {"type": "object"}, "example": example}},
    }


SUBMISSION_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The results of the job, or, with `dryRun`, a quote.",
        "content": {
            "application/json": {
                "schema": {"type": "object"},
                "examples": {
                    "completed": {"value": _COMPLETED},
                    "answered by an identical earlier job": {
                        "value": {**_COMPLETED, "cached": True}
                    },
                    "quote": {"value": _QUOTE},
                },
            }
        },
    },
    202: {
        "description": "The job is taken; `Location` is its record.",
        "headers": {"Location": {"schema": {"type": "string"}}},
        "content": {
            "application/json": {
                "schema": {"type": "object"},
                "example": {"success": True, "jobId": _JOB, "status": "queued"},
            }
        },
    },
    409: _problem(
        409,
        "Conflict",
        "idempotency_conflict",
        "The key 'a7f3' was used for another request in the last 24 hours.",
        "Idempotency-Key",
        "Take a new key for each new request.",
    ),
    422: _problem(
        422,
        "Unprocessable Entity",
        "invalid_request",
        "image: Field required.",
        "image",
        "GET /api/operations has the schemas.",
    ),
    503: _problem(
        503,
        "Service Unavailable",
        "workers_away",
        "No worker for audio-master is running.",
        "",
        "Start one with `studio worker --lane audio`, or try again soon.",
    ),
}
