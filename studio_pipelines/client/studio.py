"""The client itself."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from pydantic import RootModel
from pydantic.alias_generators import to_camel

from studio_pipelines.client import events, files
from studio_pipelines.client.faults import fault_of_job
from studio_pipelines.client.operations import Runnable, named
from studio_pipelines.client.transport import Transport
from studio_pipelines.contract.assets import Asset, StoredAsset
from studio_pipelines.contract.events import EndEvent, ProgressEvent
from studio_pipelines.contract.jobs import (
    Job,
    JobAccepted,
    JobCompleted,
    JobPage,
    JobRetried,
    JobStatus,
    JobStopped,
)
from studio_pipelines.contract.quotes import JobRecipe, Quote, QuoteAnswer, Recipe
from studio_pipelines.contract.service import OperationList, PipelineList, WorkersStatus

OnProgress = Callable[[float, str], None]


class Submitted(RootModel[JobCompleted | JobAccepted]):
    """A submission's answer."""


class Studio:
    """A studio that is reached over HTTP.

    Every method raises a :class:`~studio_pipelines.client.faults.StudioFault` of the type that
    fits, where the studio refuses or does not answer. It may be used by several threads.

    Args:
        base_url: Its address, such as ``http://127.0.0.1:8000``.
        api_key: An API key, where the studio asks for one.
        http: A client of your own, such as one with a proxy; it is not closed.
    """

    def __init__(
        self, base_url: str, api_key: str | None = None, *, http: httpx.Client | None = None
    ) -> None:
        self._transport = Transport(base_url, api_key, http)
        self._known: tuple[Runnable, ...] | None = None

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def runnables(self) -> tuple[Runnable, ...]:
        """Return the operations and chains of the studio, asked for once."""
        if self._known is None:
            operations = self._transport.json("GET", "/api/operations", OperationList)
            chains = self._transport.json("GET", "/api/pipelines", PipelineList)
            self._known = (
                *(Runnable.of_operation(row) for row in operations.operations),
                *(Runnable.of_chain(row) for row in chains.pipelines),
            )
        return self._known

    def runnable(self, name: str) -> Runnable:
        """Return what a name means: an operation, worker, route, chain, or a short name of one.

        Raises:
            UnknownOperation: There is none, or there are several.
        """
        return named(name, self.runnables())

    def submit(self, operation: str, *, idempotency_key: str | None = None, **fields: Any) -> Job:
        """Submit a job and return its record, which may be one of an earlier, equal job.

        The request carries an idempotency key, so that it is one job however often it is sent.

        Args:
            operation: Its name, in any way that :meth:`runnable` knows.
            idempotency_key: A key of your own, to come to the same job later on.
            fields: Inputs, parameters and what says how to run it, in snake_case or camelCase. A
                path, also within a list or a step's fields, is uploaded; an input may also be a
                reference that the studio knows, or a URL.
        """
        wanted = self.runnable(operation)
        body = self._body(wanted, fields)
        key = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        answer = self._transport.json(
            "POST", wanted.route, Submitted, json={**body, "async": True}, headers=key
        )
        return self.job(answer.root.job_id)

    def quote(self, operation: str, **fields: Any) -> Quote:
        """Return what a job would take; none is made."""
        wanted = self.runnable(operation)
        body = {**self._body(wanted, fields), "dryRun": True}
        return self._transport.json("POST", wanted.route, QuoteAnswer, json=body).quote

    def run(
        self,
        operation: str,
        *,
        on_progress: OnProgress | None = None,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> Job:
        """Submit a job, wait for its end and return its record with the results.

        Args:
            operation: As for :meth:`submit`.
            on_progress: Told percent and stage as they change.
            idempotency_key: As for :meth:`submit`.
            fields: As for :meth:`submit`.

        Raises:
            JobFailed: It failed.
            JobCanceled: Somebody canceled it.
        """
        job = self.submit(operation, idempotency_key=idempotency_key, **fields)
        return self.wait(job, on_progress=on_progress)

    def wait(self, job: Job | str, *, on_progress: OnProgress | None = None) -> Job:
        """Follow a job to its end and return its record with the results.

        Raises:
            JobFailed: It failed.
            JobCanceled: Somebody canceled it.
        """
        record = self.job(job) if isinstance(job, str) else job
        if not record.has_ended:
            record = self._followed(record, on_progress)
        if fault := fault_of_job(record):
            raise fault
        return record

    def events(self, job_id: str, after: str | None = None) -> Iterator[events.Event]:
        """Give a job's events, each once and in order, until its last.

        Args:
            job_id: The job.
            after: Id of the last event that you have, or None for all that are kept.
        """
        return events.follow(self._transport, job_id, after)

    def job(self, job_id: str) -> Job:
        """Return a job's record, however the job stands."""
        return self._transport.json("GET", f"/api/jobs/{job_id}", Job)

    def jobs(
        self,
        *,
        status: JobStatus | Iterable[JobStatus] = (),
        operation: str | Iterable[str] = (),
        page_size: int = 50,
    ) -> Iterator[Job]:
        """Give jobs, newest first, fetched page by page as you go on.

        Args:
            status: Of these states; of all where none is named.
            operation: Of these operations or chains.
            page_size: How many are fetched at once, 1 to 100.
        """
        query: dict[str, Any] = {
            "status": [status] if isinstance(status, str) else list(status),
            "operation": [operation] if isinstance(operation, str) else list(operation),
            "limit": page_size,
        }
        while True:
            page = self._transport.json("GET", "/api/jobs", JobPage, params=query)
            yield from page.jobs
            if page.next_cursor is None:
                return
            query["cursor"] = page.next_cursor

    def recipe(self, job_id: str) -> Recipe:
        """Return how a job's results are made."""
        return self._transport.json("GET", f"/api/jobs/{job_id}/recipe", JobRecipe).recipe

    def cancel(self, job_id: str) -> JobStopped:
        """Stop a job; say what came of it."""
        return self._transport.json("POST", f"/api/jobs/{job_id}/cancel", JobStopped)

    def retry(self, job_id: str) -> Job:
        """Do a job that has ended once more, and return the new one's record."""
        answer = self._transport.json("POST", f"/api/jobs/{job_id}/retry", JobRetried)
        return self.job(answer.job_id)

    def forget(self, job_id: str) -> None:
        """Delete a job that has ended; its assets stay."""
        self._transport.answer("DELETE", f"/api/jobs/{job_id}")

    def upload(self, path: Path | str, *, on_bytes: files.OnBytes | None = None) -> StoredAsset:
        """Store a file, and return its record; as a reference it is ``asset:<id>``."""
        return files.upload(self._transport, Path(path), on_bytes)

    def download(self, asset: Asset | str, path: Path | str) -> Path:
        """Save an asset in a file, whole or not at all."""
        return files.download(self._transport, asset, Path(path))

    def delete_asset(self, asset: Asset | str) -> None:
        """Delete an asset."""
        asset_id = asset if isinstance(asset, str) else asset.id
        self._transport.answer("DELETE", f"/api/assets/{asset_id.removeprefix('asset:')}")

    def workers(self) -> WorkersStatus:
        """Return the state, memory and queue of every worker."""
        return self._transport.json("GET", "/api/workers/status", WorkersStatus)

    def _followed(self, job: Job, on_progress: OnProgress | None) -> Job:
        for event in self.events(job.job_id):
            if isinstance(event, EndEvent):
                return event.data
            if on_progress and isinstance(event, ProgressEvent):
                on_progress(event.data.percent, event.data.stage)
            elif on_progress and event.event == "status":
                on_progress(0.0, event.data.status)
        return self.job(job.job_id)

    def _body(self, operation: Runnable, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return a request's body: fields by the names that its schema has, paths stored."""
        known = operation.body.get("properties", {})
        body = {name if name in known else to_camel(name): value for name, value in fields.items()}
        return files.with_references(body, lambda path: f"asset:{self.upload(path).id}")
