"""What ``studio models`` shows: the table of models, and pulls as they go."""

import os
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TransferSpeedColumn,
)
from rich.table import Column, Table
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
    if size_bytes < 1_000:
        return f"{size_bytes} B"
    if size_bytes < 1_000_000:
        return f"{size_bytes / 1e3:.0f} kB"
    if size_bytes < 1_000_000_000:
        return f"{size_bytes / 1e6:.1f} MB"
    return f"{size_bytes / 1e9:.1f} GB"


def models_table(shelf: ModelShelf) -> Table:
    """Every declared model, by worker and rank."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("model", "version", "serves"):
        table.add_column(heading, no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    for heading in ("state", "set", "licence"):
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
            _STATES[shelf.state(one)],
            "embedded" if one.embedded else "",
            Text(f"{one.licence}{refused}", style="yellow" if refused else ""),
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
    failed: list[str] = []
    with _bars(console) if console.is_terminal else nullcontext() as progress:
        for declaration in wanted:
            follower = _Bar(progress, declaration) if progress else _Lines(console, declaration)
            try:
                installed = pull(shelf, declaration, follower.on_step)
            except (PullFailed, LicenceRefused, OSError) as error:
                failed.append(declaration.name)
                follower.done("failed", is_whole=False)
                console.print(
                    f"{declaration.name}: {error}", style="red", highlight=False, soft_wrap=True
                )
            else:
                size = size_text(installed.lock.size_bytes)
                follower.done(f"{size} on the disk", is_whole=True)
    return failed


class _Lines:
    """A line for each stage of a pull, for logs."""

    def __init__(self, console: Console, declaration: ModelDeclaration) -> None:
        self._console = console
        self._name = declaration.name

    def on_step(self, step: Step) -> None:
        self.done(step.stage, is_whole=False)

    def done(self, text: str, *, is_whole: bool) -> None:
        del is_whole
        self._console.print(f"{self._name}: {text}", highlight=False, soft_wrap=True)


def _bars(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description}", table_column=Column(no_wrap=True, min_width=16)),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TransferSpeedColumn(),
        TextColumn("[dim]{task.fields[stage]}"),
        console=console,
    )


class _Bar:
    """A pull as a bar; while files are fetched a thread watches how their folders grow.

    The clients tell it only to terminals, each in its own way.
    """

    def __init__(self, progress: Progress, declaration: ModelDeclaration) -> None:
        self._progress = progress
        self._total = declaration.download_bytes or declaration.size_bytes or None
        self._task = progress.add_task(declaration.name, total=self._total, stage="")
        self._fetched = threading.Event()

    def on_step(self, step: Step) -> None:
        self._progress.update(self._task, stage=step.stage)
        if step.stage == "fetching":
            threading.Thread(target=self._watch, args=(step.growing,), daemon=True).start()
        elif step.stage != "waiting":
            self._fetched.set()

    def done(self, text: str, *, is_whole: bool) -> None:
        self._fetched.set()
        if is_whole:
            total = self._total or 1
            self._progress.update(self._task, stage=text, completed=total, total=total)
        else:  # the line that says why takes the bar's place
            self._progress.remove_task(self._task)

    def _watch(self, growing: tuple[Path, ...]) -> None:
        before = sum(map(folder_bytes, growing))
        while not self._fetched.wait(LOOK_EVERY_S):
            grown = max(0, sum(map(folder_bytes, growing)) - before)
            shown = grown if self._total is None else min(grown, self._total * 0.99)
            self._progress.update(self._task, completed=shown)
