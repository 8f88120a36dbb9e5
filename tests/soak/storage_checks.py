"""What storage says when all is over: how runs ended, and whether the assets are whole."""

import json
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg2
from running_studio import RunningStudio

from resources.run_tags import run_id_of

ENDED = ("SUCCESS", "FAILURE", "CANCELED")


class RunStorage:
    """Dagster's tables, asked past the studio."""

    def __init__(self, studio: RunningStudio) -> None:
        self._url = str(studio.stack.settings.database_url)

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(self._url)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall()
        finally:
            connection.close()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let nobody read or write a run while the block lasts."""
        connection = psycopg2.connect(self._url)
        try:
            with connection.cursor() as cursor:
                cursor.execute("LOCK TABLE runs IN ACCESS EXCLUSIVE MODE")
                yield
        finally:
            connection.close()

    def statuses(self) -> dict[str, str]:
        """The status of every run by its id."""
        return dict(self.rows("SELECT run_id, status FROM runs"))

    def begun(self, operation: str) -> list[str]:
        """The runs of an operation that a worker has in hand, as far as storage knows."""
        statement = (
            "SELECT runs.run_id FROM runs JOIN run_tags USING (run_id) "
            "WHERE status = 'STARTED' AND key = 'studio/operation' AND value = %s"
        )
        return [run_id for (run_id,) in self.rows(statement, operation)]

    def event_counts(self, kind: str) -> Counter[str]:
        """How many events of a type each run has."""
        statement = "SELECT run_id FROM event_logs WHERE dagster_event_type = %s"
        return Counter(run_id for (run_id,) in self.rows(statement, kind))

    def event_times_s(self, run_id: str, kind: str) -> list[float]:
        """When a run's events of a type happened, in Unix time."""
        statement = (
            "SELECT extract(epoch FROM timestamp) FROM event_logs "
            "WHERE run_id = %s AND dagster_event_type = %s ORDER BY id"
        )
        return [float(at_s) for (at_s,) in self.rows(statement, run_id, kind)]

    def monitored_at_s(self) -> float:
        """When the daemon's monitoring of runs last gave a sign of life, in Unix time."""
        statement = (
            "SELECT extract(epoch FROM timestamp) FROM daemon_heartbeats "
            "WHERE daemon_type = 'MONITORING'"
        )
        found = self.rows(statement)
        return float(found[0][0]) if found else 0.0

    def wait_until_all_ended(self, timeout_s: float) -> dict[str, str]:
        """Wait for every run to end; return the statuses, also of those that have not."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            statuses = self.statuses()
            if set(statuses.values()) <= set(ENDED) or time.monotonic() > deadline_s:
                return statuses
            time.sleep(0.2)

    def twice_told(self, run_ids: Collection[str]) -> Iterator[str]:
        """Describe completed runs that don't have one materialisation and one end."""
        for kind in ("ASSET_MATERIALIZATION", "PIPELINE_SUCCESS"):
            counts = self.event_counts(kind)
            for run_id in run_ids:
                if counts[run_id] != 1:
                    yield f"run {run_id} completed with {counts[run_id]} of {kind}"


def asset_ids_of(record: dict[str, Any]) -> list[str]:
    """The assets that a completed job's record names."""
    return [asset["id"] for asset in record["data"]["assets"].values()]


def store_faults(assets_dir: Path, expected_ids: Collection[str]) -> list[str]:
    """Describe everything in the store that is not exactly the expected assets, whole."""
    records = {path.stem: json.loads(path.read_text()) for path in assets_dir.glob("assets/*.json")}
    faults = [f"asset {one} is missing" for one in set(expected_ids) - set(records)]
    faults += [f"asset {one} belongs to nobody" for one in set(records) - set(expected_ids)]
    blobs = {path.name: path for path in assets_dir.glob("blobs/*/*")}
    for asset_id, record in records.items():
        if record["sha256"] not in blobs:
            faults.append(f"asset {asset_id} has no bytes")
        if not (assets_dir / "refs" / record["sha256"] / asset_id).exists():
            faults.append(f"asset {asset_id} has no mark at its bytes")
    for name, path in blobs.items():
        if sha256(path.read_bytes()).hexdigest() != name:
            faults.append(f"bytes {name} are damaged")
        if not any(record["sha256"] == name for record in records.values()):
            faults.append(f"bytes {name} belong to no asset")
    faults += [f"half a record: {path.name}" for path in assets_dir.glob("assets/*.part")]
    return faults


def assert_each_completed_once(
    studio: RunningStudio, job_ids: Sequence[str], uploads: Collection[str]
) -> None:
    """Check that the jobs completed once each, and that the store holds their results alone.

    Args:
        studio: The studio, all of whose jobs these are.
        job_ids: The jobs, ended.
        uploads: References of what was uploaded.
    """
    records = [studio.job(job_id) for job_id in job_ids]
    assert [record["status"] for record in records] == ["completed"] * len(records), records
    run_ids = [str(run_id_of(job_id)) for job_id in job_ids]
    assert list(RunStorage(studio).twice_told(run_ids)) == []
    expected = [one.removeprefix("asset:") for one in uploads]
    expected += [asset_id for record in records for asset_id in asset_ids_of(record)]
    assert len(expected) == len(set(expected))
    assert store_faults(studio.assets_dir, expected) == []
