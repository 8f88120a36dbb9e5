"""Dagster's run storage on Postgres, without the questions that have one answer."""

from collections.abc import Callable
from functools import partial
from typing import Any

from dagster._core.snap import ExecutionPlanSnapshot, JobSnap
from dagster_postgres.run_storage import PostgresRunStorage
from typing_extensions import override

from resources.database_pool import Pooled

SNAPSHOTS_KEPT = 64


class StudioRunStorage(Pooled, PostgresRunStorage):
    """Asks once which columns its tables have, and once for each snapshot.

    Dagster reads the catalogue of the database, three statements and 6 ms, whenever it fetches a
    run, which is eleven times a job. Tables only ever gain columns, and a snapshot is named by the
    hash of its content: neither answer can change.
    """

    def __init__(self, **options: Any) -> None:
        self._known: set[str] = set()
        self._snapshots: dict[str, JobSnap | ExecutionPlanSnapshot] = {}
        super().__init__(**options)

    @override
    def has_run_stats_index_cols(self) -> bool:
        return self._once("run_stats", super().has_run_stats_index_cols)

    @override
    def has_backfill_id_column(self) -> bool:
        return self._once("backfill_id", super().has_backfill_id_column)

    @override
    def _has_snapshot_id(self, snapshot_id: str) -> bool:
        ask = partial(super()._has_snapshot_id, snapshot_id)
        return self._once(snapshot_id, ask)

    @override
    def _get_snapshot(self, snapshot_id: str) -> Any:
        if snapshot_id not in self._snapshots:
            found = super()._get_snapshot(snapshot_id)
            if found is None:
                return None
            while len(self._snapshots) >= SNAPSHOTS_KEPT:
                del self._snapshots[next(iter(self._snapshots))]
            self._snapshots[snapshot_id] = found
        return self._snapshots[snapshot_id]

    def _once(self, name: str, ask: Callable[[], bool]) -> bool:
        if name not in self._known and ask():
            self._known.add(name)
        return name in self._known
