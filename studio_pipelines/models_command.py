"""``studio models``: what there is, pulling, verifying and removing."""

import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from resources.model_declaration import ModelDeclaration
    from resources.model_shelf import ModelShelf

models_app = typer.Typer(
    no_args_is_help=True,
    help="The models' weights: STUDIO_MODELS_DIR, STUDIO_LICENCE_POLICY.",
)
Names = Annotated[list[str] | None, typer.Argument(help="Models; see `studio models list`.")]


@models_app.command("list")
def list_models() -> None:
    """Show every declared model, and whether it is on the disk."""
    from rich.console import Console

    from studio_pipelines.model_screen import models_table, unused_line

    shelf = _shelf()
    # For a pipe as wide as it needs: whoever reads it there cuts it himself.
    console = Console() if sys.stdout.isatty() else Console(width=200)
    console.print(models_table(shelf))
    if line := unused_line(shelf):
        console.print(line, style="dim", highlight=False)


@models_app.command("pull")
def pull_models(
    names: Names = None,
    embedded: Annotated[bool, typer.Option("--embedded", help="The set that works alone.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="All that the policy admits.")] = False,
    operation: Annotated[
        str | None, typer.Option("--for", help="Those that an operation or worker can use.")
    ] = None,
) -> None:
    """Fetch models; those that are here, whole, are left alone."""
    shelf = _shelf()
    wanted = _wanted(shelf, names or [], embedded, everything, operation)
    if not wanted:
        _refuse("Name models to pull, or say --embedded, --all or --for OPERATION.")
    absent = [one for one in wanted if not shelf.installed(one.name)]
    if not absent:
        typer.echo(f"{_count(len(wanted))} on the disk already, in {shelf.folder}.")
        return
    from studio_pipelines.model_screen import pull_all

    try:
        with _stops_as_interrupts():
            failed = pull_all(shelf, absent)
    except KeyboardInterrupt:
        _refuse("Interrupted; the model that was being pulled is left as it was.", code=130)
    if failed:
        sys.exit(1)


@models_app.command("verify")
def verify_models(names: Names = None) -> None:
    """Read the files of installed models again and compare their hashes."""
    from resources.model_folder import ModelState
    from resources.model_pull import verify

    shelf = _shelf()
    there = [
        one
        for one in _named(shelf, names or list(shelf.declarations()))
        if shelf.state(one) is not ModelState.ABSENT
    ]
    found = {one.name: verify(shelf, one) for one in there}
    for name, damaged in found.items():
        typer.echo(f"{name}: {'differs: ' + ', '.join(damaged) if damaged else 'whole'}")
    if bad := [name for name, damaged in found.items() if damaged]:
        _refuse(f"Get them again: studio models pull {' '.join(bad)}")


@models_app.command("remove")
def remove_models(
    names: Names = None,
    unused: Annotated[
        bool, typer.Option("--unused", help="What no declaration names any more.")
    ] = False,
) -> None:
    """Delete models from the disk; they can be pulled again."""
    from resources.model_pull import remove, remove_unused

    shelf = _shelf()
    if not names and not unused:
        _refuse("Name models to remove, or say --unused.")
    for name in names or []:
        there = remove(shelf, name)
        typer.echo(f"{name}: {'removed' if there else 'is not on the disk'}")
    if unused:
        for folder in remove_unused(shelf):
            typer.echo(f"{folder}: removed")


def _shelf() -> "ModelShelf":
    from resources.model_declaration import InvalidDeclaration
    from studio_pipelines.model_shelf import model_shelf
    from studio_pipelines.settings import load_settings

    shelf = model_shelf(load_settings())
    try:
        shelf.declarations()
    except InvalidDeclaration as error:
        _refuse(str(error))
    return shelf


def _wanted(
    shelf: "ModelShelf",
    names: Iterable[str],
    embedded: bool,
    everything: bool,
    operation: str | None,
) -> "list[ModelDeclaration]":
    chosen = _named(shelf, names)
    tests: list[Callable[[ModelDeclaration], bool]] = []
    if everything:
        tests.append(lambda one: bool(one.name))
    if embedded:
        tests.append(lambda one: one.embedded)
    if operation is not None:
        worker = _worker_of(operation)
        tests.append(lambda one: worker in one.serves)
    chosen += [
        one
        for one in shelf.declarations().values()
        if shelf.admits(one) and any(test(one) for test in tests)
    ]
    return list({one.name: one for one in chosen}.values())


def _worker_of(operation: str) -> str:
    """Return the worker that an operation's name, its route or the worker's own id means."""
    from studio_pipelines.catalogue import operation_of, workers

    by_name = {}
    for worker in workers():
        built = operation_of(worker)
        names = (worker.id, worker.route.strip("/"), built.name if built else worker.id)
        by_name |= dict.fromkeys(names, worker.id)
    if operation not in by_name:
        _refuse(f"There is no operation {operation!r}; there are: {', '.join(by_name)}.")
    return by_name[operation]


def _named(shelf: "ModelShelf", names: Iterable[str]) -> "list[ModelDeclaration]":
    declared = shelf.declarations()
    for name in names:
        if name not in declared:
            _refuse(f"There is no model {name!r}; there are: {', '.join(declared)}.")
    return [declared[name] for name in names]


@contextmanager
def _stops_as_interrupts() -> Iterator[None]:
    """Have a stop asked for in any way be Ctrl-C: what was begun is removed."""
    before = {
        number: signal.signal(number, signal.default_int_handler)
        for number in (signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _count(number: int) -> str:
    return "1 model is" if number == 1 else f"{number} models are"


def _refuse(message: str, *, code: int = 1) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code=code)
