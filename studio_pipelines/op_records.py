"""What an op records in Dagster of its work, and what it finds there when its run is resumed."""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dagster as dg

from resources.artifact import Artifact, ArtifactNotFound
from resources.artifacts import ArtifactStore
from resources.handover import HandedItem, Handover
from resources.run_tags import RESUMED_TAG, job_id_of
from studio_pipelines.op_place import OpPlace, place_of
from studio_pipelines.verification import verification_evaluation

if TYPE_CHECKING:
    from studio_pipelines.operation import OperationResult

RESULT_METADATA = "result"
ITEM_METADATA = "ended"
# The pictures are in the database, and each item's is on its own observation.
MOST_PREVIEWS = 4


@dataclass(frozen=True)
class ItemOutcome:
    """How one item ended.

    Attributes:
        record: What it made and measured, as :meth:`OperationResult.describe` tells it; or None.
        assets: What it made, by name.
        problem: What was wrong, or None.
        preview_png: A small picture, or None.
    """

    record: Mapping[str, Any] | None = None
    assets: Mapping[str, Artifact] = field(default_factory=dict)
    problem: Mapping[str, Any] | None = None
    preview_png: bytes | None = None

    @classmethod
    def of_result(cls, result: "OperationResult", run_ms: float) -> "ItemOutcome":
        """Return the outcome of a call that gave a result."""
        record = {**result.describe(), "timings": {"runMs": run_ms}}
        return cls(record, result.assets, preview_png=result.preview_png)

    @property
    def handed(self) -> HandedItem:
        """What the next op of a chain is given."""
        main = self.assets[self.record["main"]] if self.record else None
        return HandedItem(main, self.assets, self.problem)

    @property
    def has_passed(self) -> bool:
        """Whether it ended well, and reached what its verification looks at."""
        return self.record is not None and bool(self.record["verification"].get("passed", True))


def list_record(outcomes: Sequence[ItemOutcome]) -> dict[str, Any]:
    """Return the record of a list: the first item's assets, the sums, and every item.

    An item is ``{main, assets, metrics, verification, timings}`` or ``{error}``.
    """
    items: list[Mapping[str, Any]] = []
    for outcome in outcomes:
        parts = {name: part for name, part in (outcome.record or {}).items() if name != "model"}
        items.append(parts or {"error": outcome.problem})
    models = [outcome.record["model"] for outcome in outcomes if outcome.record]
    passed = sum(outcome.has_passed for outcome in outcomes)
    run_ms = sum(one["timings"]["runMs"] for one in items if "timings" in one)
    return {
        "main": items[0].get("main"),
        "assets": items[0].get("assets", {}),
        "metrics": {"items": len(items), "itemsFailed": len(items) - len(models)},
        "verification": {"passed": passed == len(items), "itemsPassed": passed},
        "model": models[0],
        "timings": {"runMs": round(run_ms, 1)},
        "items": items,
    }


def handover_of(outcomes: Sequence[ItemOutcome], *, many: bool) -> Handover:
    """Return what the op's output hands on."""
    return Handover(tuple(outcome.handed for outcome in outcomes), is_list=many)


def recorded(
    context: dg.OpExecutionContext, outcomes: Sequence[ItemOutcome], *, many: bool
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """Give the events of a result: its parts that the UI shows, itself, and its verification."""
    place, job_id = place_of(context), job_id_of(context.run_id)
    record = list_record(outcomes) if many else outcomes[0].record
    assert record is not None
    yield from _parts(place, job_id, outcomes)
    yield _materialization(place, job_id, record, outcomes)
    yield verification_evaluation(place.asset_key, record["verification"], job_id)


def _parts(
    place: OpPlace, job_id: str, outcomes: Sequence[ItemOutcome]
) -> Iterator[dg.AssetMaterialization]:
    for part in place.parts:
        made = [one.assets[part].id for one in outcomes if part in one.assets]
        if made:
            shown = {"job": job_id, "asset": ", ".join(made)}
            yield dg.AssetMaterialization(place.part_key(part), metadata=shown)


def _materialization(
    place: OpPlace, job_id: str, record: Mapping[str, Any], outcomes: Sequence[ItemOutcome]
) -> dg.AssetMaterialization:
    previews = [one.preview_png for one in outcomes if one.preview_png is not None]
    return dg.AssetMaterialization(
        place.asset_key,
        metadata={
            **_preview(previews[:MOST_PREVIEWS]),
            "model": record["model"]["name"],
            "job": job_id,
            RESULT_METADATA: dg.MetadataValue.json(record),
            **_plotted(record),
        },
    )


def item_observation(
    context: dg.OpExecutionContext, number: int, of: int, outcome: ItemOutcome
) -> dg.AssetObservation:
    """Return what the UI shows of one item, ``number`` from 0, and a resumed run reads."""
    ended = {"number": number, "record": outcome.record, "problem": outcome.problem}
    told: dict[str, Any] = {}
    if outcome.problem is not None:
        told = {"code": outcome.problem["code"], "message": outcome.problem["message"]}
    elif outcome.record is not None:
        told = _plotted(outcome.record)
    return dg.AssetObservation(
        place_of(context).asset_key,
        metadata={
            **_preview([outcome.preview_png] if outcome.preview_png else []),
            "item": f"{number + 1} of {of}",
            "job": job_id_of(context.run_id),
            ITEM_METADATA: dg.MetadataValue.json(ended),
            **told,
        },
    )


def recorded_handover(context: dg.OpExecutionContext, store: ArtifactStore) -> Handover | None:
    """Return what a step had made before its run was resumed, or None.

    Dagster's in-process executor begins a resumed run from its first step.
    """
    for result in _recorded(context, dg.DagsterEventType.ASSET_MATERIALIZATION, RESULT_METADATA):
        found = [
            _ended_before(one, one.get("error"), store) for one in result.get("items", [result])
        ]
        outcomes = [one for one in found if one is not None]
        if len(outcomes) == len(found):
            return handover_of(outcomes, many="items" in result)
    return None


def recorded_items(context: dg.OpExecutionContext, store: ArtifactStore) -> dict[int, ItemOutcome]:
    """Return the items that had ended before the run was resumed, by their number from 0."""
    ended: dict[int, ItemOutcome] = {}
    for told in _recorded(context, dg.DagsterEventType.ASSET_OBSERVATION, ITEM_METADATA):
        outcome = _ended_before(told["record"], told["problem"], store)
        if outcome is not None:
            ended[told["number"]] = outcome
    return ended


def _recorded(
    context: dg.OpExecutionContext, kind: dg.DagsterEventType, name: str
) -> Iterator[dict[str, Any]]:
    """Give what this step has recorded in an earlier attempt of the run."""
    if RESUMED_TAG not in context.run.tags:
        return
    step_key = context.get_step_execution_context().step.key
    for entry in context.instance.all_logs(context.run_id, of_type=kind):
        event = entry.get_dagster_event()
        if event.step_key != step_key:
            continue
        is_result = kind is dg.DagsterEventType.ASSET_MATERIALIZATION
        data = (
            event.materialization if is_result else event.asset_observation_data.asset_observation
        )
        if name in data.metadata:
            yield data.metadata[name].value  # pyright: ignore[reportReturnType]


def _ended_before(
    record: Mapping[str, Any] | None, problem: Mapping[str, Any] | None, store: ArtifactStore
) -> ItemOutcome | None:
    """Return the outcome again, or None where an asset of it is gone."""
    if problem is not None or record is None:
        return ItemOutcome(problem=problem)
    try:
        assets = {name: store.get(one["id"]) for name, one in record["assets"].items()}
    except ArtifactNotFound:
        return None
    return ItemOutcome(record, assets)


def _plotted(record: Mapping[str, Any]) -> dict[str, float]:
    figures = {**record["metrics"], **record["verification"]}
    return {
        name: float(value)
        for name, value in figures.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _preview(pictures: Iterable[bytes]) -> dict[str, Any]:
    shown = [
        f"![preview](data:image/png;base64,{base64.b64encode(png).decode()})" for png in pictures
    ]
    return {"preview": dg.MetadataValue.md("\n\n".join(shown))} if shown else {}
