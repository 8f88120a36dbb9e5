"""``dryRun``: what a job would take, told without making it."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from api.job_order import JobOrder
from api.job_records import iso
from api.recipes import Recipe
from api.state import Services
from api.workforce import Workforce
from resources import job_figures, signals
from resources.job_figures import JobKind, input_size


async def quote_of(services: Services, order: JobOrder, recipe: Recipe) -> dict[str, Any]:
    """Return what an order would take, by what jobs like it have taken.

    What nobody has measured yet is null, never guessed.

    Raises:
        StudioError: A model that it asks for cannot be had.
        BrokerUnavailable: Redis does not answer.
        DatabaseUnavailable: The database does not.
    """
    if recipe.fault is not None:
        raise recipe.fault
    models = [
        {"step": step, **model.describe()}
        for step, chosen in recipe.models.items()
        for model in chosen[:1]
    ]
    main = models[-1] if models else None
    name = str(main["name"]) if main else ""
    kind = JobKind(order.operation.name, name, input_size(recipe.input_bytes))
    earlier = await services.jobs.earlier(order, recipe)
    return {
        "operation": order.operation.name,
        "cached": earlier is not None,
        "jobId": earlier,
        "model": main,
        "models": models,
        **await asyncio.to_thread(_figures, str(services.settings.redis_url), kind),
        **await asyncio.to_thread(_waiting, services.workforce, order),
    }


def _waiting(workforce: Workforce, order: JobOrder) -> dict[str, Any]:
    """Return when it would be queued, or where it would stand in line now."""
    if order.schedule is not None:
        at = order.schedule.at
        wait_s = max(0.0, (at - datetime.now(UTC)).total_seconds())
        return {
            "scheduledFor": iso(at.timestamp()),
            "queuePosition": None,
            "startsInSeconds": round(wait_s, 3),
        }
    place = workforce.place(order.operation, order.priority)
    starts_in_s = None if place.starts_in_s is None else round(place.starts_in_s, 3)
    return {
        "scheduledFor": None,
        "queuePosition": place.position,
        "startsInSeconds": starts_in_s,
    }


def _figures(redis_url: str, kind: JobKind) -> dict[str, Any]:
    with signals.broker_faults():
        found = job_figures.known(signals.connect(redis_url), kind)
    if found is None:
        return dict.fromkeys(("estimatedSeconds", "peakRamMiB", "peakVramMiB", "basis"))
    seen, figures = found
    return {
        "estimatedSeconds": round(figures.mean_s, 3),
        "peakRamMiB": figures.peak_ram_mib,
        "peakVramMiB": figures.peak_vram_mib,
        "basis": {
            "jobs": figures.jobs,
            "model": seen.model or None,
            "inputSize": seen.size or None,
        },
    }
