"""API keys and the audit log on the screen."""

import json
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from resources.api_keys import ApiKey
from resources.audit_log import AuditEntry


def show_keys(keys: Iterable[ApiKey]) -> None:
    """Print a table of keys."""
    table = _table("name", "begins", "id", "scopes", "limits", "made", "state")
    for key in keys:
        owner = "" if key.owner == key.id else f" of {key.owner}"
        table.add_row(
            key.name,
            f"{key.prefix}…",
            key.id + owner,
            " ".join(key.scopes),
            limits_text(key),
            _day(key.created_at_s),
            state_text(key, time.time()),
        )
    _console().print(table)


def limits_text(key: ApiKey) -> str:
    """Return a key's limits in a few words."""
    limits = key.limits
    told = (
        (limits.rate_per_minute, "{}/min"),
        (limits.concurrent_jobs, "{} at once"),
        (limits.daily_jobs, "{} jobs/day"),
        (limits.daily_seconds, "{} s/day"),
    )
    return ", ".join(form.format(value) for value, form in told if value is not None) or "none"


def state_text(key: ApiKey, now_s: float) -> str:
    """Return whether a key is valid, and until when."""
    if key.revoked_at_s is not None:
        return f"revoked {_day(key.revoked_at_s)}"
    if key.expires_at_s is None:
        return "valid"
    return f"{'expired' if key.is_expired(now_s) else 'valid until'} {_day(key.expires_at_s)}"


def show_entries(entries: Iterable[AuditEntry]) -> None:
    """Print a table of what was done."""
    table = _table("when (UTC)", "who", "from", "what", "to", "detail")
    for entry in entries:
        detail = " ".join(f"{name}={_plain(value)}" for name, value in entry.detail.items())
        table.add_row(
            datetime.fromtimestamp(entry.at_s, UTC).strftime("%Y-%m-%d %H:%M:%S"),
            entry.actor,
            entry.address,
            entry.action,
            entry.subject,
            detail,
        )
    _console().print(table)


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _console() -> Console:
    # For a pipe as wide as it needs: whoever reads it there cuts it himself.
    return Console(markup=False) if sys.stdout.isatty() else Console(width=240, markup=False)


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _day(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).date().isoformat()
