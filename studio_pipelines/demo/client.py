"""A small client of the studio's HTTP interface."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

SYNC_TIMEOUT_S = 150.0  # a synchronous call answers after 120 s at the latest
POLL_INTERVAL_S = 0.1
UPLOAD_BLOCK_BYTES = 1 << 20
OnProgress = Callable[[float, str], None]


class DemoFailed(RuntimeError):
    """Something did not go as the interface promises; the message says what, in plain words."""


class StudioClient:
    """Uploads, submits, waits and downloads.

    Every method raises DemoFailed if the studio answers with a problem, and httpx.HTTPError if it
    does not answer.
    """

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def upload(self, path: Path) -> str:
        """Store a file and return its reference, ``asset:<id>``."""
        answer = self._http.post("/api/assets", content=_blocks(path))
        return f"asset:{_checked(answer, f'Upload of {path.name}')['id']}"

    def run(self, route: str, body: Mapping[str, Any], on_progress: OnProgress) -> dict[str, Any]:
        """Submit a job, wait for it in the same call, and return its ``data``."""
        answer = self._http.post(route, json=body, timeout=SYNC_TIMEOUT_S)
        return self._completed(_checked(answer, route), route, on_progress)

    def run_form(
        self, route: str, files: Mapping[str, Path], params: str, on_progress: OnProgress
    ) -> dict[str, Any]:
        """Send the files with the request itself, as a form, and return the job's ``data``."""
        parts = {name: (path.name, path.read_bytes()) for name, path in files.items()}
        answer = self._http.post(
            route, files=parts, data={"params": params}, timeout=SYNC_TIMEOUT_S
        )
        return self._completed(_checked(answer, route), route, on_progress)

    def run_in_background(
        self, route: str, body: Mapping[str, Any], on_progress: OnProgress
    ) -> dict[str, Any]:
        """Submit a job, be answered at once, follow its progress, and return its ``data``."""
        return self._completed(self.begin(route, body), route, on_progress)

    def begin(self, route: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Submit a job and return its record at once."""
        return _checked(self._http.post(route, json={**body, "async": True}), route)

    def follow(self, record: dict[str, Any], on_progress: OnProgress) -> dict[str, Any]:
        """Follow a job that has begun to its end, and return its ``data``."""
        return self._completed(record, record["jobId"], on_progress)

    def download(self, asset: Mapping[str, Any], path: Path) -> Path:
        """Save an asset in a file."""
        with self._http.stream("GET", asset["url"]) as answer:
            if answer.status_code != 200:
                answer.read()
            _check(answer, f"Download of {path.name}")
            with path.open("wb") as file:
                for block in answer.iter_bytes():
                    file.write(block)
        return path

    def workers(self) -> list[dict[str, Any]]:
        """Return the rows of the workers' status."""
        return _checked(self._http.get("/api/workers/status"), "The workers' status")["workers"]

    def _completed(
        self, record: dict[str, Any], what: str, on_progress: OnProgress
    ) -> dict[str, Any]:
        job_path = f"/api/jobs/{record['jobId']}"
        while record["status"] not in ("completed", "failed", "canceled"):
            time.sleep(POLL_INTERVAL_S)
            record = _checked(self._http.get(job_path), job_path)
            on_progress(record["progress"]["percent"], record["progress"]["stage"])
        if record["status"] != "completed":
            reason = (record.get("error") or {}).get("message", "no reason was given")
            raise DemoFailed(f"{what}: the job {record['status']}: {reason}")
        return record["data"]


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(UPLOAD_BLOCK_BYTES):
            yield block


def _checked(answer: httpx.Response, what: str) -> dict[str, Any]:
    _check(answer, what)
    return answer.json()


def _check(answer: httpx.Response, what: str) -> None:
    if answer.is_success:
        return
    problem = answer.headers.get("content-type", "").startswith("application/problem+json")
    reason = answer.json()["detail"] if problem else answer.reason_phrase
    raise DemoFailed(f"{what}: the studio answered {answer.status_code}: {reason}")
