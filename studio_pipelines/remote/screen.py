"""What the commands show: progress, results, lists of jobs and of operations."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

from studio_pipelines.client import OnProgress
from studio_pipelines.client.operations import Runnable
from studio_pipelines.contract.jobs import Job, JobData
from studio_pipelines.contract.quotes import Quote
from studio_pipelines.remote.results import failed_items

_STYLES = {
    "completed": "green",
    "failed": "red",
    "canceled": "yellow",
    "processing": "cyan",
    "scheduled": "magenta",
}


@contextmanager
def progress_shown(console: Console, title: str) -> Iterator[OnProgress]:
    """Show progress on a terminal while the block lasts; elsewhere a line for each stage."""
    if not console.is_terminal:
        yield _lines(console, title)
        return
    with Progress(
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=28),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("[dim]{task.fields[stage]}"),
        TimeElapsedColumn(),
        console=console,
    ) as shown:
        task = shown.add_task(title, total=100, stage="")
        yield lambda percent, stage: shown.update(task, completed=percent, stage=stage)
        shown.update(task, completed=100, stage="done")


def _lines(console: Console, title: str) -> OnProgress:
    told = ""

    def tell(percent: float, stage: str) -> None:
        nonlocal told
        if stage != told:
            told = stage
            console.print(f"{title}: {stage}, {percent:.0f} %", highlight=False, soft_wrap=True)

    return tell


def result_view(job: Job, files: Sequence[Path]) -> RenderableType:
    """Return a completed job: where its results are, and what was measured."""
    assert job.data is not None
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("job", job.job_id)
    _add_results(table, job.data, files)
    passed = job.data.verification.get("passed")
    verdict = Text("passed", "green") if passed else Text("not passed", "yellow")
    table.add_row("verified", verdict)
    model = job.data.model
    table.add_row("model", f"{model.name} {model.version} ({model.licence})")
    table.add_row("took", f"{job.data.timings.total_ms / 1000:.2f} s")
    notes = [Text(note, "yellow") for note in job.data.notes]
    faults = [Text(f"item {fault}", "red") for fault in failed_items(job.data)]
    return Group(table, *notes, *faults)


def _add_results(table: Table, data: JobData, files: Sequence[Path]) -> None:
    """Tell where results are: in files, or at the studio."""
    if files:
        table.add_row("saved", "\n".join(str(file) for file in files))
        return
    for name, asset in data.assets.items():
        table.add_row(name, asset.url)


def quote_view(quote: Quote) -> RenderableType:
    """Return what a job would take."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for model in quote.models:
        table.add_row("model", f"{model.name} {model.version} ({model.licence}), {model.step}")
    table.add_row("seconds", _or_unknown(quote.estimated_seconds))
    table.add_row("RAM", _or_unknown(quote.peak_ram_mib, " MiB"))
    table.add_row("VRAM", _or_unknown(quote.peak_vram_mib, " MiB"))
    if quote.scheduled_for is not None:
        table.add_row("scheduled for", _local(quote.scheduled_for))
    if quote.queue_position is not None:
        table.add_row("in line", str(quote.queue_position))
    if quote.job_id:
        table.add_row("answered by", quote.job_id)
    return table


def _or_unknown(figure: float | None, unit: str = "") -> str:
    return "not known yet" if figure is None else f"{figure:g}{unit}"


def taken_text(job: Job) -> str:
    """Say that a job is taken that nobody waits for."""
    state = job.status
    if state == "scheduled" and job.scheduled_for is not None:
        state = f"scheduled for {_local(job.scheduled_for)}"
    return (
        f"{job.job_id} is {state}.\n"
        f"See how it stands, and save what it made: studio job {job.job_id} -o FILE"
    )


def _local(time: datetime) -> str:
    """A time for people, in the zone that they are in."""
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S}"


def job_view(job: Job, files: Sequence[Path] = ()) -> RenderableType:
    """Return one job's record, with the files that its results were saved in."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("job", job.job_id)
    table.add_row("operation", job.operation)
    table.add_row("status", Text(job.status, _STYLES.get(job.status, "")))
    if not job.has_ended:
        table.add_row("progress", f"{job.progress.percent:.0f} %, {job.progress.stage}")
    if job.queue_position is not None:
        table.add_row("in line", str(job.queue_position))
    times = (job.created_at, job.scheduled_for, job.finished_at)
    for name, time in zip(("created", "scheduled for", "ended"), times, strict=True):
        if time is not None:
            table.add_row(name, _local(time))
    if job.data is not None:
        _add_results(table, job.data, files)
    if job.error is not None:
        table.add_row("error", Text(f"{job.error.message} ({job.error.code})", "red"))
        if job.error.hint:
            table.add_row("", job.error.hint)
    return table


def jobs_table(jobs: Iterable[Job]) -> Table:
    """Return jobs, one a line."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("job", "operation", "status"):
        table.add_column(heading, no_wrap=True)
    table.add_column("age", justify="right", no_wrap=True)
    table.add_column("", overflow="ellipsis", no_wrap=True)
    for job in jobs:
        age_s = (datetime.now(UTC) - job.created_at).total_seconds()
        about = job.error.message if job.error else ""
        if job.status == "scheduled" and job.scheduled_for is not None:
            about = f"for {_local(job.scheduled_for)}"
        elif not job.has_ended:
            about = f"{job.progress.percent:.0f} %, {job.progress.stage}"
        status = Text(job.status, _STYLES.get(job.status, ""))
        table.add_row(job.job_id, job.operation, status, age_text(age_s), about)
    return table


def age_text(age_s: float) -> str:
    """An age for people: ``12 s``, ``5 min``, ``3 h``, ``2 d``."""
    for unit, size_s in (("d", 86400), ("h", 3600), ("min", 60)):
        if age_s >= size_s:
            return f"{age_s / size_s:.0f} {unit}"
    return f"{max(0.0, age_s):.0f} s"


def runnables_table(runnables: Iterable[Runnable]) -> Table:
    """Return what can be run, with what it does."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("operation", "also", "what it does"):
        table.add_column(heading, no_wrap=heading != "what it does")
    for one in runnables:
        if one.built:
            table.add_row(one.name, one.route.removeprefix("/api/"), one.summary)
        else:
            table.add_row(
                Text(one.name, "dim"),
                Text(one.route.removeprefix("/api/"), "dim"),
                Text("not built yet", "dim"),
            )
    return table
