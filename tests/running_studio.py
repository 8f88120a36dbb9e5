"""A studio that tests talk to: its processes, its clients, and the waits they need."""

import base64
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil
import pytest
import redis

from studio_pipelines.client import Studio
from studio_pipelines.contract.assets import Asset
from studio_pipelines.contract.jobs import JobData, Result
from studio_pipelines.settings import Settings, load_settings
from studio_pipelines.stack import Stack, running_stack

COPY_ROUTE = "/api/test/copy"
SYNC_WAIT_S = 4.0
MAX_UPLOAD_BYTES = 1 << 20
TESTS_DIR = Path(__file__).resolve().parent
Found = TypeVar("Found")


def eventually(look: Callable[[], Found], *, timeout_s: float = 15.0) -> Found:
    """Return the first truthy value that ``look`` gives; fail when none comes in time."""
    deadline_s = time.monotonic() + timeout_s
    while not (found := look()):
        assert time.monotonic() < deadline_s, f"not within {timeout_s} s; last: {found!r}"
        time.sleep(0.02)
    return found


def uri(data: bytes) -> str:
    """Return bytes as a reference that holds them."""
    return "data:application/octet-stream;base64," + base64.b64encode(data).decode()


def settings_for(data_dir: Path, **more: object) -> Settings:
    """Return settings of a small studio that takes the file-copying operation."""
    return load_settings(
        data_dir=data_dir,
        sync_wait_s=SYNC_WAIT_S,
        max_upload_bytes=MAX_UPLOAD_BYTES,
        operation_packages=("studio_pipelines.operations", "twelfth_operation"),
        chain_modules=("studio_pipelines.chains", "copy_chains"),
        **more,
    )


@dataclass(frozen=True)
class RunningStudio:
    """A stack, and clients of its API.

    Tests of the API itself speak HTTP (``client``, and what is built on it); tests of what jobs
    make speak through the typed client (``studio``, ``made``, ``content``).
    """

    stack: Stack
    client: httpx.Client

    @cached_property
    def studio(self) -> Studio:
        return Studio(self.stack.api_url, http=self.client)

    def made(self, operation: str, **fields: Any) -> JobData:
        """Run a job of an operation or a chain that completes, and return what it made."""
        data = self.studio.run(operation, **fields).data
        assert data is not None
        return data

    def content(self, found: Result | Asset) -> bytes:
        """Return the bytes of an asset, or of a result's main one."""
        assert found.url is not None
        answer = self.client.get(found.url)
        assert answer.status_code == 200, answer.text
        return answer.content

    @property
    def broker(self) -> redis.Redis:
        return redis.Redis.from_url(self.stack.env["STUDIO_REDIS_URL"], decode_responses=True)

    @property
    def assets_dir(self) -> Path:
        return self.stack.data_dir / "assets"

    def upload(self, data: bytes) -> str:
        answer = self.client.post("/api/assets", content=data)
        assert answer.status_code == 201, answer.text
        return f"asset:{answer.json()['id']}"

    def copy(self, image: str | list[str], **fields: Any) -> httpx.Response:
        return self.client.post(COPY_ROUTE, json={"image": image, **fields})

    def begin(self, image: str | list[str], **fields: Any) -> str:
        answer = self.copy(image, **fields, **{"async": True})
        assert answer.status_code == 202, answer.text
        return answer.json()["jobId"]

    def job(self, job_id: str) -> dict[str, Any]:
        answer = self.client.get(f"/api/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def job_once(self, job_id: str, *statuses: str) -> dict[str, Any]:
        """Return the job's record as soon as its status is one of these."""

        def look() -> dict[str, Any] | None:
            record = self.job(job_id)
            return record if record["status"] in statuses else None

        return eventually(look)

    def row(self, worker: str = "file-copier") -> dict[str, Any]:
        rows = self.client.get("/api/workers/status").json()["workers"]
        return next(row for row in rows if row["id"] == worker)

    def process(self, name: str) -> psutil.Process:
        status = next(one for one in self.stack.supervisor.status() if one.name == name)
        return psutil.Process(status.pid)

    def stored_files(self) -> set[str]:
        """Name every file of the asset store, whatever it is for."""
        return {str(path) for path in self.assets_dir.rglob("*") if path.is_file()}


@contextmanager
def running_studio(settings: Settings, only: Collection[str]) -> Iterator[RunningStudio]:
    """Run a studio whose processes find the twelfth operation."""
    with ExitStack() as closing:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", os.pathsep.join((str(TESTS_DIR.parent), str(TESTS_DIR))))
            stack = closing.enter_context(running_stack(settings, only))
        # Tests send the same small jobs again and again, and mean a new one each time.
        anew = {"Cache-Control": "no-cache"}
        client = httpx.Client(base_url=stack.api_url, timeout=30, headers=anew)
        yield RunningStudio(stack, closing.enter_context(client))


def problem_in(answer: httpx.Response, status: int, code: str) -> Mapping[str, Any]:
    """Check that the answer is a problem document of this status and code; return its error."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["success"] is False
    assert problem["error"]["code"] == code, problem
    assert problem["detail"] == problem["error"]["message"]
    assert problem["title"]
    assert problem["type"].endswith(code)
    return problem["error"]
