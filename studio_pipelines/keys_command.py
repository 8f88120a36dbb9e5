"""``studio keys``: make, list and revoke API keys."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from resources.api_keys import ApiKey

DAY_S = 24 * 3600
keys_app = typer.Typer(
    no_args_is_help=True,
    help="API keys, kept in the database of a studio that runs (STUDIO_DATABASE_URL, or its own).",
)
DataDir = Annotated[
    Path | None, typer.Option(help="The studio's folder for data (STUDIO_DATA_DIR).")
]


@keys_app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What to call it, such as the program it is for.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="An operation or chain (audio_master, demix-master), `metrics`, or `admin`, which "
            "sees everybody's things. Repeat it for several; all operations by default."
        ),
    ] = None,
    rate: Annotated[int | None, typer.Option(min=1, max=10_000, help="Requests a minute.")] = None,
    concurrent: Annotated[int | None, typer.Option(min=1, help="Jobs under way at once.")] = None,
    daily_jobs: Annotated[int | None, typer.Option(min=1, help="Jobs a day (UTC).")] = None,
    daily_seconds: Annotated[
        int | None, typer.Option(min=1, help="Seconds of workers' time, and so of GPUs', a day.")
    ] = None,
    expires_days: Annotated[int | None, typer.Option(min=1, help="Days it is valid for.")] = None,
    in_place_of: Annotated[
        str | None, typer.Option(help="A key whose jobs and assets the new one has as well.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Make a key, and print it: this once, as only its hash is kept."""
    from resources.api_keys import ALL_OPERATIONS, KeyRing, Limits

    if not 0 < len(name) <= 100 or not name.isprintable():
        _refuse("The name needs 1 to 100 characters that can be printed.")
    scopes = _checked_scopes(scope or [ALL_OPERATIONS])
    with access_database(data_dir) as engine:
        ring = KeyRing(engine)
        owner = ring.named(in_place_of).owner if in_place_of else None
        limits = Limits(rate, concurrent, daily_jobs, daily_seconds)
        expires_at_s = time.time() + expires_days * DAY_S if expires_days else None
        key, secret = ring.create(name, scopes, limits, expires_at_s=expires_at_s, owner=owner)
        _note(engine, "key.created", key)
    typer.echo(secret)
    typer.echo(f"{key.name} ({key.id}). Keep it: it is not shown again.", err=True)


@keys_app.command("list")
def list_keys(
    everything: Annotated[bool, typer.Option("--all", help="The revoked ones too.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Show the keys, each by the beginning that it is recognised by."""
    from resources.api_keys import KeyRing
    from studio_pipelines.access_screen import show_keys

    with access_database(data_dir) as engine:
        keys = KeyRing(engine).all()
    show_keys([key for key in keys if everything or key.revoked_at_s is None])


@keys_app.command("revoke")
def revoke_key(
    name: Annotated[str, typer.Argument(help="Its name, its id, or how it begins.")],
    data_dir: DataDir = None,
) -> None:
    """Have a key be valid no more, within two seconds; what belongs to it stays."""
    from resources.api_keys import KeyRing

    with access_database(data_dir) as engine:
        key = KeyRing(engine).revoke(name)
        _note(engine, "key.revoked", key)
    typer.echo(f"{key.name} ({key.id}) is revoked.")


def _checked_scopes(scopes: list[str]) -> tuple[str, ...]:
    from resources.api_keys import ADMIN, ALL_OPERATIONS, METRICS
    from studio_pipelines.catalogue import queues

    known = (ALL_OPERATIONS, ADMIN, METRICS, *queues())
    for scope in scopes:
        if scope not in known:
            _refuse(f"There is no scope {scope!r}; there are: {', '.join(known)}.")
    return tuple(dict.fromkeys(scopes))


@contextmanager
def access_database(data_dir: Path | None) -> "Iterator[Engine]":
    """Give the database of the studio that is meant, and tell faults as this command does."""
    from studio_pipelines.access_database import open_access_database, with_database_address
    from studio_pipelines.database_faults import DatabaseUnavailable
    from studio_pipelines.errors import StudioError
    from studio_pipelines.settings import load_settings

    settings = load_settings(**({} if data_dir is None else {"data_dir": data_dir}))
    if not settings.data_dir.is_dir():
        _refuse(f"No studio has run with the data folder {settings.data_dir}: start it once.")
    try:
        engine = open_access_database(with_database_address(settings))
        yield engine
        engine.dispose()
    except DatabaseUnavailable:
        _refuse("The studio's database does not answer: start it with `studio up` first.")
    except StudioError as error:
        _refuse(f"{error.message} {error.hint or ''}".strip())


def _note(engine: "Engine", action: str, key: "ApiKey") -> None:
    import getpass
    import socket

    from resources.audit_log import AuditEntry, AuditLog

    detail = {"name": key.name, "prefix": key.prefix, "scopes": list(key.scopes)}
    actor = f"cli:{getpass.getuser()}"
    AuditLog(engine).add(AuditEntry(actor, socket.gethostname()[:64], action, key.id, detail))


def _refuse(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code=1)
