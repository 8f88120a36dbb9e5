"""Which studio the commands use, and how they end."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

DEFAULT_URL = "http://127.0.0.1:8000"
REFUSED, WRONG_USAGE, AWAY, CANCELED, INTERRUPTED = 1, 2, 3, 4, 130
SERVER = typer.Option(
    "--server", envvar="STUDIO_URL", help="Address of the studio.", rich_help_panel="Studio"
)
API_KEY = typer.Option(
    "--api-key",
    envvar="STUDIO_API_KEY",
    help="Its API key, where it asks for one.",
    rich_help_panel="Studio",
)
OUTPUT = typer.Option(
    "--output",
    "-o",
    metavar="FILE|FOLDER",
    help="Where to save: a file for the main result, a folder for all.",
    rich_help_panel="Command",
)
Server = Annotated[str, SERVER]
ApiKey = Annotated[str | None, API_KEY]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]


@contextmanager
def faults_told() -> Iterator[None]:
    """Tell faults in plain words, and end with the code that fits.

    1: refused, or the job failed; 2: wrong usage; 3: no studio, or a part of it, answers;
    4: canceled.
    """
    from studio_pipelines.client import (
        JobCanceled,
        StudioFault,
        StudioUnavailable,
        StudioUnreachable,
        UnknownOperation,
    )

    try:
        yield
    except StudioFault as fault:
        typer.echo(f"{fault.message} ({fault.code})", err=True)
        if fault.hint:
            typer.echo(fault.hint, err=True)
        codes = (
            ((StudioUnreachable, StudioUnavailable), AWAY),
            (JobCanceled, CANCELED),
            (UnknownOperation, WRONG_USAGE),
        )
        code = next((code for kinds, code in codes if isinstance(fault, kinds)), REFUSED)
        raise typer.Exit(code) from fault
    except OSError as error:
        typer.echo(f"{error.filename or 'The file'}: {error.strerror or error}", err=True)
        raise typer.Exit(REFUSED) from error
