"""The schemas that the OpenAPI document names: of answers, of requests, and of their forms."""

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from api.chain_schemas import accepted_by, chain_body_model
from api.documented_body import form_name, form_schema
from api.schemas import body_model
from studio_pipelines.catalogue import chains, operations
from studio_pipelines.contract import assets, events, jobs, problems, quotes, service

TEMPLATE = "#/components/schemas/{model}"
ANSWERS: tuple[type[BaseModel], ...] = (
    problems.Problem,
    assets.Asset,
    assets.StoredAsset,
    assets.AssetDeleted,
    jobs.Job,
    jobs.JobPage,
    jobs.JobAccepted,
    jobs.JobCompleted,
    jobs.JobRetried,
    jobs.JobStopped,
    quotes.QuoteAnswer,
    quotes.JobRecipe,
    events.JobEvent,
    events.JobEndedMessage,
    events.JobProgressMessage,
    events.WebhookDeliveries,
    events.WebhookRedelivery,
    service.WorkersStatus,
    service.OperationList,
    service.PipelineList,
    service.Alive,
    service.Readiness,
)


class NameClash(ValueError):
    """Two different schemas would have one name in the document."""


def named_schemas() -> dict[str, Any]:
    """Return all schemas by their names.

    Raises:
        NameClash: Two models of one name differ: one of them needs another name.
    """
    bodies = dict(_bodies())
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        *((model, "validation") for model in bodies),
        *((model, "serialization") for model in ANSWERS),
    ]
    _, found = models_json_schema(wanted, by_alias=True, ref_template=TEMPLATE)
    schemas: dict[str, Any] = found["$defs"]
    # Pydantic tells such models apart by where they are from.
    if clashing := [name for name in schemas if "__" in name]:
        raise NameClash(f"These models share a name: {', '.join(clashing)}.")
    for model, files in bodies.items():
        name = model.__name__
        schemas[form_name(name)] = form_schema(schemas[name], files)
    return dict(sorted(schemas.items()))


def _bodies() -> Iterator[tuple[type[BaseModel], dict[str, bool]]]:
    """Give each request, with its inputs and whether each may be a list."""
    for one in operations().values():
        yield body_model(one), _files(one.accepts, one.main_input)
    for chain in chains().values():
        yield chain_body_model(chain), _files(accepted_by(chain), chain.main_input)


def _files(names: Iterable[str], main_input: str | None) -> dict[str, bool]:
    return {name: name == main_input for name in names}
