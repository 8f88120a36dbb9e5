"""``studio audit``: who did what, when, from where."""

import json
import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from studio_pipelines.keys_command import DataDir, access_database

DAY_S = 24 * 3600


def read_audit(
    limit: Annotated[int, typer.Option(min=1, help="How many of the newest entries.")] = 50,
    days: Annotated[float | None, typer.Option(min=0, help="None that is older.")] = None,
    actor: Annotated[
        str | None, typer.Option(help="Of one key, by its id; `local`; or `cli:USER`.")
    ] = None,
    action: Annotated[str | None, typer.Option(help="Such as job.submitted.")] = None,
    subject: Annotated[str | None, typer.Option(help="A job, an asset or a key.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Show who submitted, canceled, deleted, made and revoked what."""
    from resources.audit_log import AuditLog
    from studio_pipelines.access_screen import show_entries

    since_s = time.time() - days * DAY_S if days is not None else 0.0
    with access_database(data_dir) as engine:
        entries = AuditLog(engine).read(
            limit=limit, since_s=since_s, actor=actor, action=action, subject=subject
        )
    if not as_json:
        show_entries(entries)
        return
    for entry in entries:
        told = entry.describe()
        at = datetime.fromtimestamp(told.pop("at_s"), UTC).isoformat(timespec="milliseconds")
        typer.echo(json.dumps({"at": at, **told}))
