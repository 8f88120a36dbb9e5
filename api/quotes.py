"""``dryRun``: what a job would take, told without making it."""

import asyncio
from typing import Any

from api.job_order import JobOrder
from api.recipes import Recipe
from api.state import Services
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
    place = await asyncio.to_thread(services.workforce.place, order.operation, order.priority)
    return {
        "operation": order.operation.name,
        "cached": earlier is not None,
        "jobId": earlier,
        "model": main,
        "models": models,
        **await asyncio.to_thread(_figures, str(services.settings.redis_url), kind),
        "queuePosition": place.position,
        "startsInSeconds": None if place.starts_in_s is None else round(place.starts_in_s, 3),
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
