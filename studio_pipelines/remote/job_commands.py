"""``studio jobs``, ``studio job`` and ``studio cancel``."""

from itertools import islice
from typing import Annotated

import typer

from studio_pipelines.remote.connection import (
    DEFAULT_URL,
    OUTPUT,
    REFUSED,
    ApiKey,
    AsJson,
    Server,
    faults_told,
)

JobId = Annotated[str, typer.Argument(metavar="JOB", help="Its id, job_…")]


def list_jobs(
    status: Annotated[
        list[str] | None, typer.Option(help="Only those in this state; may be repeated.")
    ] = None,
    operation: Annotated[
        list[str] | None, typer.Option(help="Only those of this operation; may be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    as_json: AsJson = False,
    server: Server = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """List jobs, newest first."""
    from rich.console import Console

    from studio_pipelines.client import Studio
    from studio_pipelines.contract.jobs import JobPage
    from studio_pipelines.remote.screen import jobs_table

    with faults_told(), Studio(server, api_key) as studio:
        names = [studio.runnable(name).name for name in operation or ()]
        wanted = studio.jobs(status=status or (), operation=names, page_size=min(limit, 100))  # pyright: ignore[reportArgumentType]
        found = tuple(islice(wanted, limit))
    if as_json:
        typer.echo(JobPage(jobs=found, next_cursor=None).model_dump_json(by_alias=True))
        return
    console = Console()
    # For a pipe as wide as it needs: whoever reads it there cuts it himself.
    (console if console.is_terminal else Console(width=200)).print(jobs_table(found))


def show_job(
    job_id: JobId,
    output: Annotated[str | None, OUTPUT] = None,
    as_json: AsJson = False,
    server: Server = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """Show a job, and save what it made."""
    from rich.console import Console

    from studio_pipelines.client import Studio
    from studio_pipelines.remote.results import save
    from studio_pipelines.remote.screen import job_view

    with faults_told(), Studio(server, api_key) as studio:
        job = studio.job(job_id)
        files = save(studio, job.data, output) if output and job.data else ()
    if as_json:
        typer.echo(job.model_dump_json(by_alias=True, exclude_unset=True))
    else:
        Console().print(job_view(job, files), soft_wrap=True)
    if output and job.data is None:
        typer.echo(f"Nothing is saved: the job is {job.status}.", err=True)
        raise typer.Exit(REFUSED)


def cancel_job(job_id: JobId, server: Server = DEFAULT_URL, api_key: ApiKey = None) -> None:
    """Stop a job."""
    from studio_pipelines.client import Studio

    with faults_told(), Studio(server, api_key) as studio:
        stopped = studio.cancel(job_id)
    typer.echo(f"{job_id}: {stopped.status.replace('_', ' ')}")
