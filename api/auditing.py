"""Writing down what was done: the routes' way to the audit log."""

import asyncio
from typing import Any

import structlog
from fastapi import Request

from api.callers import caller_of
from api.state import services_of
from resources.audit_log import AuditEntry
from studio_pipelines.database_faults import DatabaseUnavailable

log = structlog.get_logger(__name__)


async def note(request: Request, action: str, subject: str, **detail: Any) -> None:
    """Write down what a request has done.

    Args:
        request: The request.
        action: What it has done, such as ``job.submitted``.
        subject: To what.
        detail: What else is to be known; no secrets, and nothing of the content.
    """
    address = request.client.host if request.client else ""
    entry = AuditEntry(caller_of(request).name, address, action, subject, detail)
    try:
        await asyncio.to_thread(services_of(request).audit.add, entry)
    except DatabaseUnavailable:
        # It is done: an answer that it failed would have it done again.
        log.exception("not in the audit log: the database is away", **entry.describe())
