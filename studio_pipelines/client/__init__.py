"""A typed client of the studio's HTTP interface.

    from pathlib import Path
    from studio_pipelines.client import Studio

    with Studio("http://127.0.0.1:8000") as studio:
        job = studio.run("grading", image=Path("a.jpg"), lut=Path("b.cube"), intensity=0.8)
        studio.download(job.data.assets["image"], Path("out.png"))

It needs httpx and pydantic, and nothing else of the studio than its contract.
"""

from studio_pipelines.client.faults import (
    Conflict,
    JobCanceled,
    JobFailed,
    MediaRefused,
    NotFound,
    NotPermitted,
    RequestRefused,
    ServiceFailed,
    StudioFault,
    StudioUnavailable,
    StudioUnreachable,
    TooManyRequests,
    UnknownOperation,
)
from studio_pipelines.client.studio import OnProgress, Studio

__all__ = [
    "Conflict",
    "JobCanceled",
    "JobFailed",
    "MediaRefused",
    "NotFound",
    "NotPermitted",
    "OnProgress",
    "RequestRefused",
    "ServiceFailed",
    "Studio",
    "StudioFault",
    "StudioUnavailable",
    "StudioUnreachable",
    "TooManyRequests",
    "UnknownOperation",
]
