"""The command ``studio``. Heavy modules are imported by the command that needs them."""

import signal
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from studio_pipelines.audit_command import read_audit
from studio_pipelines.keys_command import keys_app
from studio_pipelines.models_command import models_app

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A self-hosted multi-modal studio. Settings are STUDIO_* environment variables.",
)

app.add_typer(models_app, name="models")
app.add_typer(keys_app, name="keys")
app.command("audit")(read_audit)


def main() -> None:
    """Run the command line."""
    app()


@app.command()
def up(
    only: Annotated[
        str | None,
        typer.Option(
            help="Run only these, by comma: broker, database, worker, dagster, api, or one process "
            "such as worker-image. Servers left out need STUDIO_REDIS_URL, STUDIO_DATABASE_URL.",
        ),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder for data and logs (STUDIO_DATA_DIR).")
    ] = None,
) -> None:
    """Run the studio until Ctrl-C."""
    from studio_pipelines.settings import load_settings
    from studio_pipelines.stack import start_stack
    from studio_pipelines.stack_processes import StackError
    from studio_pipelines.status_screen import show

    overrides = {} if data_dir is None else {"data_dir": data_dir}
    names = None if only is None else [name.strip() for name in only.split(",") if name.strip()]
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    try:
        stack = start_stack(load_settings(**overrides), names)
    except StackError as error:
        raise _refusal(str(error)) from error
    show(stack, stop)


@app.command()
def worker(lane: Annotated[str, typer.Option(help="Lane to serve, such as image.")]) -> None:
    """Run one worker, on this machine, for a broker and database that run elsewhere."""
    up(only=f"worker-{lane}")


@app.command()
def status(
    url: Annotated[str, typer.Option(help="Address of the API.")] = "http://127.0.0.1:8000",
    key: Annotated[
        str | None, typer.Option(envvar="STUDIO_API_KEY", help="API key, where one is asked for.")
    ] = None,
) -> None:
    """Show the workers of a running studio."""
    import httpx

    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        answer = httpx.get(f"{url.rstrip('/')}/api/workers/status", headers=headers, timeout=10.0)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise _refusal(f"No studio answers at {url}: {error}") from error
    _print_workers(answer.json()["workers"])


def _print_workers(workers: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("worker", "status", "device", "MiB", "queue", "job"):
        table.add_column(heading)
    for row in workers:
        memory = row["vram"] or {}
        used_mib = memory.get("usedMiB")
        rss_mib = memory.get("rssMiB", row.get("rssMiB"))
        shown_mib = used_mib if used_mib is not None else rss_mib
        table.add_row(
            row["id"],
            row["status"],
            memory.get("device") or "",
            "" if shown_mib is None else f"{shown_mib:.0f}",
            str(row.get("queueDepth") or ""),
            row.get("currentJob") or "",
        )
    Console().print(table)


def _refusal(message: str) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(code=1)
