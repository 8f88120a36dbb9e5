"""``python -m studio_pipelines.demo``: start a studio, use it over HTTP, show the result, stop."""

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from studio_pipelines.client import OnProgress, Studio, StudioFault
from studio_pipelines.demo.contact_sheet import Strip, draw_contact_sheet
from studio_pipelines.demo.errands import (
    COMPOSED,
    ERRANDS,
    MASTERED,
    PICTURES,
    SAMPLES,
    SEPARATED,
)
from studio_pipelines.demo.report import addresses, figures, results_table, workers_table
from studio_pipelines.demo.tour import DemoFailed, Result, take_tour
from studio_pipelines.embedded_servers import LOOPBACK
from studio_pipelines.settings import load_settings
from studio_pipelines.stack import running_stack
from studio_pipelines.stack_processes import StackError
from studio_pipelines.supervisor import ProcessStartError

# The Dagster UI and daemon are not needed to serve requests.
PROCESSES = ("broker", "database", "worker", "api")
OUTPUT = SAMPLES.parent / "demo-output"
WORKERS = 11


def main(
    url: Annotated[
        str | None, typer.Option(help="A running studio's address; by default one is started.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(envvar="STUDIO_API_KEY", help="Its API key, if it asks for one.")
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder for what the studio makes.")] = OUTPUT,
) -> None:
    """Let a studio grade, mend, cut out, measure, separate and master; show what came of it."""
    console = Console()
    try:
        with _studio(url, output, console) as api_url, Studio(api_url, key) as studio:
            _show(studio, output, console)
    except StudioFault as fault:
        sys.exit(f"The demo failed. {fault.message} {fault.hint or ''}".rstrip())
    except (DemoFailed, StackError, ProcessStartError) as error:
        sys.exit(f"The demo failed. {error}")


@contextmanager
def _studio(url: str | None, output: Path, console: Console) -> Iterator[str]:
    """Give the address of a running studio, or of a new one with servers and data of its own."""
    if url is not None:
        yield url.rstrip("/")
        return
    with tempfile.TemporaryDirectory(prefix="studio-demo-") as folder:
        settings = load_settings(
            data_dir=Path(folder),
            redis_url=None,
            database_url=None,
            asset_url="",
            # For the demo alone, which so needs no key.
            host=LOOPBACK,
            require_keys=False,
        )
        console.print("Starting the studio …", style="dim")
        try:
            with running_stack(settings, PROCESSES) as stack:
                yield stack.api_url
                console.print("Stopping the studio …", style="dim")
        except (DemoFailed, ProcessStartError, StudioFault):
            shutil.copytree(settings.data_dir / "logs", output / "logs", dirs_exist_ok=True)
            console.print(f"The studio's logs are in {output / 'logs'}.", style="dim")
            raise


def _show(studio: Studio, output: Path, console: Console) -> None:
    output.mkdir(parents=True, exist_ok=True)
    with Progress(
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("[dim]{task.fields[stage]}"),
        TimeElapsedColumn(),
        console=console,
    ) as progress:

        @contextmanager
        def follow(title: str) -> Iterator[OnProgress]:
            task = progress.add_task(title, total=100, stage="")
            # The last percent, and the tick, come when the result is here.
            yield lambda percent, stage: progress.update(
                task, completed=min(percent, 99), stage=stage
            )
            progress.update(task, completed=100, stage="done")

        results = take_tour(studio, ERRANDS, output, follow)
    rows = studio.workers().workers
    if len(rows) != WORKERS:
        raise DemoFailed(f"The studio tells of {len(rows)} workers, and there are {WORKERS}.")
    console.print("", results_table(results), "")
    for address in addresses(results):
        console.print(address, soft_wrap=True)
    console.print("", workers_table(rows), "")
    sheet = output / "contact-sheet.png"
    try:
        draw_contact_sheet("What the studio made", _rows(results), sheet)
    except OSError as error:  # Pillow's UnidentifiedImageError is one
        raise DemoFailed(f"The contact sheet could not be drawn: {error}") from error
    console.print(f"Everything it made is in {output}; see {sheet.name} first.")


def _rows(results: Sequence[Result]) -> list[list[Strip]]:
    """Arrange the sheet: the composite, pairs of pictures, and the loudness of the songs."""
    strips = {result.errand: _strip(result) for result in results}
    pairs = [strips[errand] for errand in PICTURES]
    return [
        [strips[COMPOSED]],
        *([left, right] for left, right in zip(pairs[::2], pairs[1::2], strict=True)),
        [strips[MASTERED], strips[SEPARATED]],
    ]


def _strip(result: Result) -> Strip:
    samples = [path for path in result.errand.samples.values() if path.suffix != ".flac"]
    note = next(figures(result.data.verification), "")
    return Strip(result.errand.title, note, (*samples, result.shown_file))


if __name__ == "__main__":
    typer.run(main)
