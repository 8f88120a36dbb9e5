"""What the service does by itself now and then."""

import asyncio
import time

import structlog

from api.state import Services
from studio_pipelines.errors import StudioError

SWEEP_INTERVAL_S = 3600.0
log = structlog.get_logger(__name__)


async def keep_house(services: Services) -> None:
    """Clear what killed processes left in the asset store, at the start and once an hour."""
    while True:
        try:
            swept = await asyncio.to_thread(services.artifacts.sweep, services.jobs.goes_on)
        except StudioError as error:
            # The store or the database is away: the next hour will do.
            log.warning("the asset store was not swept", error=error.message)
        else:
            if any(vars(swept).values()):
                log.info("the asset store was swept", **vars(swept))
        await asyncio.sleep(SWEEP_INTERVAL_S)


async def keep_audit(services: Services) -> None:
    """Delete what has grown old of the audit log, at the start and once an hour."""
    days = services.settings.keep_audit_days
    while days:
        before_s = time.time() - days * 24 * 3600
        try:
            await asyncio.to_thread(services.audit.delete_before, before_s)
        except StudioError as error:
            log.warning("the audit log was not shortened", error=error.message)
        await asyncio.sleep(SWEEP_INTERVAL_S)
