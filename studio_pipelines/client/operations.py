"""Which operation or chain a name means, by the studio's own catalogue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studio_pipelines.client.faults import UnknownOperation
from studio_pipelines.contract.service import OperationRow, PipelineRow


@dataclass(frozen=True)
class Runnable:
    """Something that a studio can be asked to do.

    Attributes:
        name: The operation's or chain's name, as jobs tell it.
        route: Where requests go.
        summary: What it does.
        inputs: Fields that are media references, the main one first.
        body: JSON schema of a request.
        steps: Of a chain: the fields that hold its steps' own fields.
        aliases: All names that it goes by.
        built: Whether it can be run.
    """

    name: str
    route: str
    summary: str
    inputs: tuple[str, ...]
    body: Mapping[str, Any]
    steps: tuple[str, ...]
    aliases: tuple[str, ...]
    built: bool

    @classmethod
    def of_operation(cls, row: OperationRow) -> "Runnable":
        """Return an operation of the catalogue."""
        path = row.route.removeprefix("/api/")
        name = row.name or path.replace("/", "_")
        parts = (*path.split("/"), *name.split("_"))
        aliases = (name, row.worker, row.route, path, *parts)
        return cls(
            name=name,
            route=row.route,
            summary=row.summary,
            inputs=row.inputs or (),
            body=row.body or {},
            steps=(),
            aliases=aliases,
            built=row.built,
        )

    @classmethod
    def of_chain(cls, row: PipelineRow) -> "Runnable":
        """Return a chain of the catalogue."""
        aliases = (row.name, row.route, row.route.removeprefix("/api/"))
        return cls(
            name=row.name,
            route=row.route,
            summary=row.summary,
            inputs=row.inputs or (),
            body=row.body or {},
            steps=row.steps,
            aliases=aliases,
            built=row.built,
        )


def named(name: str, known: Sequence[Runnable]) -> Runnable:
    """Return what a name means: its own names first, then short ones that mean one thing alone.

    ``grading_apply``, ``grading-engine``, ``/api/grading/apply`` and ``grading`` mean the same;
    ``audio`` could be several, and is refused with all of them.

    Raises:
        UnknownOperation: There is none of that name, or there are several.
    """
    wanted = name.strip().strip("/")
    whole = [one for one in known if wanted in {alias.strip("/") for alias in one.aliases[:4]}]
    found = whole or [one for one in known if wanted in one.aliases]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(one.name for one in (found or known))
    if found:
        raise UnknownOperation(
            f"{name!r} could be {listed}.", code="ambiguous_operation", hint="Name one of them."
        )
    raise UnknownOperation(
        f"There is no operation {name!r}.", code="unknown_operation", hint=f"There are: {listed}."
    )
