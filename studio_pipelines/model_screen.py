"""What ``studio models`` shows: the table of models, and pulls as they go."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from resources.model_declaration import ModelDeclaration
from resources.model_faults import PullFailed
from resources.model_folder import ModelState, read_lock
from resources.model_pull import Step, pull, unused_folders
from resources.model_shelf import LicenceRefused, ModelShelf

LOOK_EVERY_S = 0.2
_STATES = {
    ModelState.ON_DISK: Text("on disk", style="green"),
    ModelState.ABSENT: Text("absent", style="dim"),
    ModelState.DAMAGED: Text("damaged", style="red"),
}


def size_text(size_bytes: int) -> str:
    """A size for people: ``4.6 MB``, ``1.2 GB``; powers of ten, as registries count."""
    if size_bytes < 1_000_000:
        return f"{size_bytes / 1e3:.0f} kB"
    if size_bytes < 1_000_000_000:
        return f"{size_bytes / 1e6:.1f} MB"
    return f"{size_bytes / 1e9:.1f} GB"


def models_table(shelf: ModelShelf) -> Table:
    """Every declared model, by worker and rank."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("model", "version", "serves"):
        table.add_column(heading)
    table.add_column("size", justify="right")
    for heading in ("licence", "set", "state"):
        table.add_column(heading)
    ordered = sorted(shelf.declarations().values(), key=lambda one: (one.serves, -one.rank))
    for one in ordered:
        lock = read_lock(shelf.folder_of(one))
        size_bytes = lock.size_bytes if lock else one.size_bytes
        refused = "" if shelf.admits(one) else ", refused by the policy"
        table.add_row(
            one.name,
            one.version,
            ", ".join(one.serves),
            size_text(size_bytes) if size_bytes else "",
            Text(f"{one.licence}{refused}", style="yellow" if refused else ""),
            "embedded" if one.embedded else "",
            _STATES[shelf.state(one)],
        )
    return table


def unused_line(shelf: ModelShelf) -> str:
    """What lies on the shelf and no declaration names any more, or nothing."""
    folders = unused_folders(shelf)
    if not folders:
        return ""
    total = sum(folder_bytes(shelf.folder / one) for one in folders)
    return (
        f"{size_text(total)} more are of models that are no longer declared: "
        "studio models remove --unused"
    )


def folder_bytes(folder: Path) -> int:
    """Size of all files below a folder; what goes meanwhile counts nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(place) / name).lstat().st_size
            except FileNotFoundError:
                continue
    return total


def pull_all(shelf: ModelShelf, wanted: Sequence[ModelDeclaration]) -> list[str]:
    """Pull models one after the other, showing how far each is; return those that failed."""
    console = Console()
    follow = _bars if console.is_terminal else _lines
    failed: list[str] = []
    with follow(console) as begin:
        for declaration in wanted:
            on_step, done = begin(declaration)
            try:
                installed = pull(shelf, declaration, on_step)
            except (PullFailed, LicenceRefused) as error:
                failed.append(declaration.name)
                done(f"failed: {error}")
            else:
                done(f"{size_text(installed.lock.size_bytes)} on the disk")
    return failed


_Follow = tuple[Callable[[Step], None], Callable[[str], None]]


@contextmanager
def _lines(console: Console) -> Iterator[Callable[[ModelDeclaration], _Follow]]:
    """A line for each stage, for logs."""

    def begin(declaration: ModelDeclaration) -> _Follow:
        def say(text: str) -> None:
            console.print(f"{declaration.name}: {text}", highlight=False, soft_wrap=True)

        return lambda step: say(step.stage), say

    yield begin


@contextmanager
def _bars(console: Console) -> Iterator[Callable[[ModelDeclaration], _Follow]]:
    """A bar for each model, with its bytes and their speed."""
    with Progress(
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TransferSpeedColumn(),
        TextColumn("[dim]{task.fields[stage]}"),
        console=console,
    ) as progress:

        def begin(declaration: ModelDeclaration) -> _Follow:
            total = declaration.download_bytes or declaration.size_bytes or None
            task = progress.add_task(declaration.name, total=total, stage="")
            fetching: list[threading.Event] = []

            def on_step(step: Step) -> None:
                while fetching:
                    fetching.pop().set()
                progress.update(task, stage=step.stage)
                if step.stage == "fetching":
                    fetching.append(threading.Event())
                    threading.Thread(
                        target=_watch, args=(progress, task, step.scratch, fetching[0]), daemon=True
                    ).start()

            def done(text: str) -> None:
                while fetching:
                    fetching.pop().set()
                progress.update(task, stage=text)

            return on_step, done

        yield begin


def _watch(progress: Progress, task: TaskID, scratch: Path, ended: threading.Event) -> None:
    """Tell how the scratch folder grows: the clients say it only to terminals, each in its way."""
    while not ended.wait(LOOK_EVERY_S):
        progress.update(task, completed=folder_bytes(scratch))
