"""The event log and the run storage on a real Postgres."""

import threading
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg2
import pytest
from dagster import DagsterEventType, DagsterInstance, DagsterRunStatus, EventLogEntry
from sqlalchemy.exc import OperationalError

from resources import event_outbox
from resources.event_outbox import EventOutbox
from resources.event_storage import RunHasEnded, StudioEventLogStorage
from resources.run_storage import StudioRunStorage
from resources.run_tags import TAKEN_AT_TAG
from studio_pipelines.embedded_servers import embedded_database
from studio_pipelines.supervisor import Supervisor

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("database")
    server = embedded_database(folder)
    if server is None:
        pytest.skip("there is no Postgres wheel for this machine")
    supervisor = Supervisor(folder)
    supervisor.start([server.process])
    supervisor.wait_ready()
    yield server.url
    supervisor.stop()


@pytest.fixture
def instance(database_url: str, tmp_path: Path) -> Iterator[DagsterInstance]:
    storages = {
        name: {"module": module, "class": kind, "config": {"postgres_url": database_url}}
        for name, module, kind in (
            ("run_storage", "resources.run_storage", "StudioRunStorage"),
            ("event_log_storage", "resources.event_storage", "StudioEventLogStorage"),
            (
                "schedule_storage",
                "dagster_postgres.schedule_storage",
                "PostgresScheduleStorage",
            ),
        )
    }
    with dg.instance_for_test(overrides=storages, temp_dir=str(tmp_path)) as instance:
        yield instance


@dg.op
def speak(context: dg.OpExecutionContext) -> Iterator[Any]:
    context.log.info("a word")
    yield dg.AssetMaterialization("spoken", metadata={"loud": 1.0}, tags={"voice": "low"})
    yield dg.Output(None)


@dg.job
def speech() -> None:
    speak()


def storage_of(instance: DagsterInstance) -> StudioEventLogStorage:
    assert isinstance(instance.event_log_storage, StudioEventLogStorage)
    assert isinstance(instance.run_storage, StudioRunStorage)
    return instance.event_log_storage


def test_a_batched_run_leaves_what_dagster_would_leave(instance: DagsterInstance) -> None:
    plain = speech.execute_in_process(instance=instance)
    run_id = str(uuid.uuid4())
    with storage_of(instance).batching(run_id, {TAKEN_AT_TAG: "12.5"}):
        batched = speech.execute_in_process(instance=instance, run_id=run_id)
    kinds = [
        [entry.dagster_event_type for entry in instance.all_logs(result.run_id)]
        for result in (plain, batched)
    ]
    assert kinds[0] == kinds[1]
    assert DagsterEventType.RUN_SUCCESS in kinds[1]
    (newest, _) = instance.fetch_materializations(dg.AssetKey("spoken"), limit=2).records
    assert newest.run_id == run_id
    assert newest.asset_materialization is not None
    assert newest.asset_materialization.tags["voice"] == "low"
    record = instance.get_run_record_by_id(run_id)
    assert record is not None
    assert record.dagster_run.status is DagsterRunStatus.SUCCESS
    assert record.start_time is not None
    assert record.end_time is not None
    assert record.start_time <= record.end_time
    assert record.dagster_run.tags[TAKEN_AT_TAG] == "12.5"


def test_what_was_logged_in_a_batch_can_be_read_at_once(instance: DagsterInstance) -> None:
    run = instance.create_run_for_job(speech)
    with storage_of(instance).batching(run.run_id, {}):
        instance.report_engine_event("a word", run)
        assert [entry.message for entry in instance.all_logs(run.run_id)] == ["a word"]


def test_the_first_end_of_a_run_counts(instance: DagsterInstance) -> None:
    run = instance.create_run_for_job(speech)
    instance.report_run_canceled(run)
    instance.report_run_failed(run)
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status is DagsterRunStatus.CANCELED
    ends = {DagsterEventType.RUN_CANCELED, DagsterEventType.RUN_FAILURE}
    kinds = [entry.dagster_event_type for entry in instance.all_logs(run.run_id, of_type=ends)]
    assert kinds == [DagsterEventType.RUN_CANCELED]


@pytest.mark.parametrize("batched", [False, True])
def test_a_run_that_has_ended_does_not_start(instance: DagsterInstance, batched: bool) -> None:
    run = instance.create_run_for_job(speech)
    instance.report_run_canceled(run)
    start = dg.DagsterEvent(event_type_value="PIPELINE_START", job_name=run.job_name)
    if not batched:
        with pytest.raises(RunHasEnded, match="CANCELED"):
            instance.report_dagster_event(start, run.run_id)
        return
    with storage_of(instance).batching(run.run_id, {}):
        with pytest.raises(RunHasEnded, match="CANCELED"):
            instance.report_dagster_event(start, run.run_id)
        instance.report_engine_event("dropped", run)
    assert instance.all_logs(run.run_id)[-1].message == "dropped"


def test_a_dropped_connection_is_replaced(instance: DagsterInstance, database_url: str) -> None:
    instance.optimize_for_webserver(statement_timeout=5000, pool_recycle=60, max_overflow=2)
    run = instance.create_run_for_job(speech)
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        # It waits until they are gone: what is still open when it is asked for cannot be replaced.
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        (ended,) = cursor.fetchone() or (0,)
    assert ended >= 1
    assert instance.get_run_by_id(run.run_id) is not None
    instance.report_engine_event("a word", run)


def entry(number: int) -> EventLogEntry:
    return EventLogEntry(
        error_info=None,
        level=20,
        user_message=str(number),
        run_id="run",
        timestamp=float(number),
    )


def test_events_go_out_in_order_whatever_fails_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_outbox, "PAUSE_S", 0.01)
    stored: list[str] = []
    faults = iter([True, False, True, True, False])

    def write(batch: Sequence[EventLogEntry]) -> None:
        if next(faults, False):
            raise OperationalError("INSERT", {}, Exception("the server went away"))
        stored.extend(one.user_message for one in batch)

    outbox = EventOutbox(write)
    for number in range(20):
        outbox.put(entry(number))
        if number % 5 == 0:
            outbox.flush()
            assert len(stored) == number + 1
    outbox.close()
    assert stored == [str(number) for number in range(20)]


def test_a_fault_is_raised_where_the_run_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_outbox, "PAUSE_S", 0.01)
    monkeypatch.setattr(event_outbox, "GIVE_UP_AFTER_S", 0.05)
    refused = threading.Event()

    def write(batch: Sequence[EventLogEntry]) -> None:
        if not refused.is_set():
            raise OperationalError("INSERT", {}, Exception("the server went away"))

    outbox = EventOutbox(write)
    outbox.put(entry(1))
    with pytest.raises(OperationalError):
        outbox.flush()
    refused.set()
    outbox.put(entry(2))
    outbox.close()
