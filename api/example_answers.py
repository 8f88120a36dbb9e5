"""Examples of answers, whole and consistent, for the OpenAPI document."""

from typing import Any

from api.path_ids import EXAMPLE_ASSET, EXAMPLE_JOB, EXAMPLE_MESSAGE

_BEGAN, _ENDED = "2026-01-01T12:00:00.000+00:00", "2026-01-01T12:00:01.250+00:00"
_BATCH = "2026-01-02T01:00:00.000+00:00"
ASSET: dict[str, Any] = {
    "id": EXAMPLE_ASSET,
    "url": f"http://127.0.0.1:8000/api/assets/{EXAMPLE_ASSET}",
    "mediaType": "image/png",
    "bytes": 1048576,
    "sha256": "0" * 64,
    "createdAt": _ENDED,
    "filename": "graded.png",
    "jobId": EXAMPLE_JOB,
}
UPLOADED = {name: value for name, value in ASSET.items() if name != "jobId"}
_MODEL = {"name": "studio-grade", "version": "2", "licence": "Apache-2.0", "source": "builtin"}
_HASHED_MODEL = {**_MODEL, "sha256": None}
_DATA = {
    "url": ASSET["url"],
    "assets": {"image": ASSET},
    "metrics": {"peakRamMiB": 182.4, "megapixels": 2.1},
    "verification": {"passed": True},
    "model": _MODEL,
    "timings": {"queuedMs": 12.1, "startMs": 20.4, "runMs": 240.3, "totalMs": 272.8},
}
COMPLETED = {
    "success": True,
    "jobId": EXAMPLE_JOB,
    "status": "completed",
    "cached": False,
    "data": _DATA,
}
_QUOTED_MODEL = {"step": "grading_apply", **_HASHED_MODEL}
QUOTE = {
    "success": True,
    "dryRun": True,
    "quote": {
        "operation": "grading_apply",
        "cached": False,
        "jobId": None,
        "model": _QUOTED_MODEL,
        "models": [_QUOTED_MODEL],
        "estimatedSeconds": 0.41,
        "peakRamMiB": 182.4,
        "peakVramMiB": None,
        "basis": {"jobs": 12, "model": "studio-grade", "inputSize": "2 megabytes"},
        "scheduledFor": None,
        "queuePosition": 1,
        "startsInSeconds": 0.0,
    },
}
ACCEPTED = {"success": True, "jobId": EXAMPLE_JOB, "status": "queued"}
SCHEDULED = {**ACCEPTED, "status": "scheduled", "scheduledFor": _BATCH}
RETRIED = {**ACCEPTED, "retriedFrom": "job_89abcdef0123456789abcdef01234567"}
STOPPED = {**ACCEPTED, "status": "canceled"}
_JOB = {
    "success": True,
    "jobId": EXAMPLE_JOB,
    "operation": "grading_apply",
    "status": "queued",
    "progress": {"percent": 0.0, "stage": "queued"},
    "queuePosition": 1,
    "estimatedStartAt": _BEGAN,
    "scheduledFor": None,
    "createdAt": _BEGAN,
    "startedAt": None,
    "finishedAt": None,
    "expiresAt": None,
    "retriedFrom": None,
}
_ENDED_JOB = {
    **_JOB,
    "queuePosition": None,
    "estimatedStartAt": None,
    "startedAt": _BEGAN,
    "finishedAt": _ENDED,
    "expiresAt": "2026-01-31T12:00:01.250+00:00",
}
COMPLETED_JOB = {
    **_ENDED_JOB,
    "status": "completed",
    "progress": {"percent": 100.0, "stage": "done"},
    "data": _DATA,
}
FAILED_JOB = {
    **_ENDED_JOB,
    "status": "failed",
    "progress": {"percent": 10.0, "stage": "decoding"},
    "error": {
        "status": 422,
        "code": "unusable_media",
        "message": "image: the file ends in its middle.",
        "field": "image",
        "hint": "Export it again.",
    },
}
_SCHEDULED_JOB = {
    **_JOB,
    "status": "scheduled",
    "progress": {"percent": 0.0, "stage": "scheduled"},
    "queuePosition": None,
    "estimatedStartAt": None,
    "scheduledFor": _BATCH,
}
JOBS = {
    "scheduled": _SCHEDULED_JOB,
    "waits": _JOB,
    "completed": COMPLETED_JOB,
    "failed": FAILED_JOB,
}
RECIPE = {
    "success": True,
    "jobId": EXAMPLE_JOB,
    "recipe": {
        "operation": "grading_apply",
        "version": "2",
        "inputs": {},
        "steps": {
            "grading_apply": {
                "operation": "grading_apply",
                "version": "2",
                "inputs": {"image": {"asset": EXAMPLE_ASSET, "sha256": "0" * 64}},
                "parameters": {"exposure": 0.5, "format": "png"},
                "models": [_HASHED_MODEL],
                "seed": None,
            }
        },
    },
}
DELIVERY = {
    "id": EXAMPLE_MESSAGE,
    "url": "https://example.org/hook",
    "event": "completed",
    "status": "delivered",
    "createdAt": _ENDED,
    "nextTryAt": None,
    "attempts": [{"at": _ENDED, "status": 204, "error": None, "tookMs": 31.5}],
}
REDELIVERY = {
    "success": True,
    "jobId": EXAMPLE_JOB,
    "webhook": {**DELIVERY, "status": "pending", "nextTryAt": _ENDED},
}
ENDED_MESSAGE = {"type": "job.completed", "timestamp": _ENDED, "data": COMPLETED_JOB}
PROGRESS_MESSAGE = {
    "type": "job.progress",
    "timestamp": _BEGAN,
    "data": {"jobId": EXAMPLE_JOB, "percent": 40.0, "stage": "grading"},
}
EVENT_STREAM = """\
: events of job_0123456789abcdef0123456789abcdef
retry: 1000

event: status
data: {"status": "processing"}
id: 1767268800000-0

event: progress
data: {"stage": "grading", "percent": 40.0}
id: 1767268800400-0

event: completed
data: {"success": true, "jobId": "job_0123456789abcdef0123456789abcdef", …}
id: 1767268801250-0-end

"""
WORKERS = {
    "success": True,
    "workers": [
        {
            "id": "grading-engine",
            "route": "/api/grading/apply",
            "status": "ready",
            "ready": True,
            "built": True,
            "lane": "image",
            "processes": 1,
            "vram": {
                "usedMiB": None,
                "peakMiB": None,
                "reservedMiB": None,
                "totalMiB": None,
                "device": "cpu",
            },
            "rssMiB": 312.5,
            "ramReservedMiB": 0.0,
            "models": [{"name": "maxim-retouch", "state": "on_disk", "licence": "Apache-2.0"}],
            "currentJob": None,
            "queueDepth": 0,
            "heartbeatAgeMs": 420,
            "host": "studio",
            "pid": 4711,
        }
    ],
    "gpus": [],
    "observedAt": _BEGAN,
}
OPERATIONS = {
    "operations": [
        {
            "worker": "depth-estimator",
            "route": "/api/depth/estimate",
            "built": False,
            "summary": "depth maps from images",
            "models": [],
        }
    ],
    "nextCursor": None,
}
PIPELINES = {
    "pipelines": [
        {
            "name": "inpaint-grade",
            "route": "/api/pipelines/inpaint-grade",
            "built": False,
            "missing": ["image_inpaint"],
            "steps": ["image_inpaint", "grading_apply"],
            "summary": "Remove an object from a picture and grade what is left.",
        }
    ],
    "nextCursor": None,
}
