"""Deleting what is old: in real storage of both kinds, with rows that have been made old."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
import redis
import yaml
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.runs.schema import RunsTable
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from resources import telemetry
from resources.artifacts import ArtifactStore
from resources.expiry import delete_old_assets
from resources.run_tags import BATCH_TAG, NEXT_BATCH, SCHEDULED_FOR_TAG
from studio_pipelines.batch import batch_job
from studio_pipelines.batch_time import next_batch
from studio_pipelines.catalogue import operations
from studio_pipelines.embedded_servers import embedded_database
from studio_pipelines.retention import KINDS, deletions, retention_job, work_through
from studio_pipelines.schedules import batch_schedule, retention_schedule
from studio_pipelines.settings import load_settings
from studio_pipelines.storage_expiry import (
    delete_old_observations,
    delete_old_runs,
    inputs_awaited,
)
from studio_pipelines.supervisor import Supervisor

pytestmark = pytest.mark.stack
NOW = datetime.now(UTC)
KEY = dg.AssetKey(["workers", "some"])


@pytest.fixture(scope="module")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("database")
    server = embedded_database(folder)
    assert server is not None
    supervisor = Supervisor(folder)
    supervisor.start([server.process])
    supervisor.wait_ready()
    yield server.url
    supervisor.stop()


@pytest.fixture(params=["postgres", "sqlite"])
def instance(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An empty instance."""
    config: dict[str, object] = {"telemetry": {"enabled": False}}
    if request.param == "postgres":
        url = request.getfixturevalue("database_url")
        config["storage"] = {"postgres": {"postgres_url": url}}
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text(yaml.safe_dump(config))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        instance.wipe()
        yield instance


@dg.op
def checked() -> Iterator[object]:
    yield dg.AssetMaterialization("checked")
    yield dg.AssetCheckEvaluation(dg.AssetKey("checked"), "verification", passed=True)
    yield dg.Output(None)


@dg.job(executor_def=dg.in_process_executor)
def checking() -> None:
    checked()


def executed(instance: dg.DagsterInstance, *, days_ago: int = 0) -> str:
    """Run the job, and make the run look as old."""
    run_id = checking.execute_in_process(instance=instance).run_id
    aged = (NOW - timedelta(days=days_ago)).replace(tzinfo=None)
    times = {"create_timestamp": aged, "update_timestamp": aged}
    with instance.run_storage.connect() as connection:
        connection.execute(update(RunsTable).where(RunsTable.c.run_id == run_id).values(times))
    return run_id


def observed(instance: dg.DagsterInstance, number: int, *, days_ago: int = 0) -> None:
    """Record observations, and make them look as old."""
    storage = instance.event_log_storage
    events = SqlEventLogStorageTable
    shards = (lambda: storage.run_connection(""), storage.index_connection)
    newest = []
    for connect in shards:
        with connect() as connection:
            newest.append(connection.execute(select(func.max(events.c.id))).scalar() or 0)
    for _ in range(number):
        instance.report_runless_asset_event(dg.AssetObservation(KEY, metadata={"rss_mib": 1.0}))
    aged = (NOW - timedelta(days=days_ago)).replace(tzinfo=None)
    for connect, last in zip(shards, newest, strict=True):
        with connect() as connection:
            new = update(events).where(events.c.id > last, events.c.run_id == "")
            connection.execute(new.values(timestamp=aged))


def observations_left(instance: dg.DagsterInstance) -> int:
    return len(instance.fetch_observations(KEY, limit=1000).records)


def checks_left(instance: dg.DagsterInstance) -> set[str]:
    with instance.event_log_storage.index_connection() as connection:
        rows = connection.execute(select(AssetCheckExecutionsTable.c.run_id))
        return {row[0] for row in rows}


def test_old_runs_go_with_their_events_and_checks(instance: dg.DagsterInstance) -> None:
    old = [executed(instance, days_ago=31) for _ in range(3)]
    young = executed(instance, days_ago=29)
    assert sum(delete_old_runs(instance, NOW - timedelta(days=30))) == 3
    assert [run.run_id for run in instance.get_runs()] == [young]
    assert all(not instance.all_logs(run_id) for run_id in old)
    assert instance.all_logs(young)
    assert checks_left(instance) == {young}
    assert sum(delete_old_runs(instance, NOW - timedelta(days=30))) == 0


def test_a_run_that_has_not_ended_stays_however_old(instance: dg.DagsterInstance) -> None:
    run = instance.create_run_for_job(checking)
    assert sum(delete_old_runs(instance, NOW + timedelta(days=1))) == 0
    assert instance.get_run_by_id(run.run_id)


@pytest.fixture
def runs_at_a_time(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("studio_pipelines.storage_expiry.RUNS_AT_A_TIME", 2)
    return 2


def test_a_deletion_that_was_cut_short_is_finished_by_the_next(
    instance: dg.DagsterInstance, runs_at_a_time: int
) -> None:
    for _ in range(runs_at_a_time + 2):
        executed(instance, days_ago=31)
    assert next(delete_old_runs(instance, NOW - timedelta(days=30))) == runs_at_a_time
    half = instance.get_runs()[0].run_id
    instance.event_log_storage.delete_events(half)
    assert sum(delete_old_runs(instance, NOW - timedelta(days=30))) == 2
    assert instance.get_runs_count() == 0


def test_the_newest_result_outlives_its_run(instance: dg.DagsterInstance) -> None:
    executed(instance, days_ago=31)
    assert sum(delete_old_runs(instance, NOW)) == 1
    assert instance.get_latest_materialization_event(dg.AssetKey("checked")) is not None


def test_old_observations_go_and_those_of_this_week_stay(instance: dg.DagsterInstance) -> None:
    observed(instance, 5, days_ago=8)
    observed(instance, 2, days_ago=6)
    # On SQLite there are two rows of each.
    assert sum(delete_old_observations(instance, NOW - timedelta(days=7))) in (5, 10)
    assert observations_left(instance) == 2
    assert sum(delete_old_observations(instance, NOW - timedelta(days=7))) == 0


def test_the_job_does_all_of_it_and_says_how_much(
    instance: dg.DagsterInstance,
    folder_store: ArtifactStore,
    broker_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STUDIO_REDIS_URL", broker_url)
    monkeypatch.setenv("STUDIO_KEEP_RUNS_DAYS", "10")
    monkeypatch.setenv("STUDIO_KEEP_OBSERVATIONS_DAYS", "0")
    client = redis.Redis.from_url(broker_url, decode_responses=True)
    client.flushall()
    executed(instance, days_ago=11)
    observed(instance, 1, days_ago=100)
    result = retention_job.execute_in_process(
        instance=instance, resources={"artifacts": folder_store}
    )
    (output,) = result.filter_events(lambda event: event.is_successful_output)
    told = {name: one.value for name, one in output.step_output_data.metadata.items()}
    assert told == {"runs": 1, "observations": 0, "assets": 0, "leftovers": 0, "finished": True}
    # Nothing older than for ever.
    assert observations_left(instance) == 1
    counted = list(telemetry.series_of(client.hgetall(telemetry.METRICS_KEY)))
    assert {one.labels["kind"]: one.value for one in counted if one.value} == {"runs": 1}


def test_it_gives_way_to_a_job_that_waits(broker_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio_pipelines.retention.LOOK_EVERY_S", 0.0)
    client = redis.Redis.from_url(broker_url, decode_responses=True)
    client.flushall()
    removed = dict.fromkeys(KINDS, 0)
    assert work_through(iter([("runs", 50), ("assets", 1)]), removed, client, 0.0)
    assert removed["runs"] == 50
    client.lpush(f"{next(iter(operations()))}:4", "task")
    steps = iter([("runs", 50), ("runs", 7)])
    assert not work_through(steps, removed, client, 0.0)
    assert removed["runs"] == 100
    # For a while it gives way to nobody, or a studio that is never idle would fill its disk.
    assert work_through(steps, removed, client, 60.0)
    assert removed["runs"] == 107


def test_the_kinds_take_turns(
    instance: dg.DagsterInstance, folder_store: ArtifactStore, runs_at_a_time: int
) -> None:
    for _ in range(runs_at_a_time + 1):
        executed(instance, days_ago=31)
    observed(instance, 1, days_ago=31)
    kinds = [kind for kind, _ in deletions(instance, folder_store, load_settings(), NOW)]
    assert kinds.index("observations") < len(kinds) - 1 - kinds[::-1].index("runs")


def stored(store: ArtifactStore, text: str) -> str:
    with store.scratch() as folder:
        path = folder / "text"
        path.write_text(text)
        return store.adopt(path, media_type="text/plain").id


def test_what_a_job_waits_with_stays_however_old(
    instance: dg.DagsterInstance, folder_store: ArtifactStore
) -> None:
    needed, listed, other = (stored(folder_store, text) for text in ("1", "2", "3"))
    config = {
        "ops": {"checked": {"inputs": {"image": needed}, "config": {"lut": other}}},
        "inputs": {"images": [listed]},
    }
    run = instance.create_run_for_job(checking)
    instance.delete_run(run.run_id)
    instance.add_run(run._replace(run_config=config))
    assert inputs_awaited(instance) == {needed, listed}
    assert (
        sum(delete_old_assets(folder_store, NOW + timedelta(days=1), inputs_awaited(instance))) == 1
    )
    folder_store.get(needed)
    folder_store.get(listed)


def test_the_batch_is_asked_for_only_if_something_waits(instance: dg.DagsterInstance) -> None:
    schedule = batch_schedule(load_settings())
    context = dg.build_schedule_context(instance=instance)
    assert isinstance(schedule(context), dg.SkipReason)
    tags = {SCHEDULED_FOR_TAG: NOW.isoformat(), BATCH_TAG: NEXT_BATCH}
    instance.create_run_for_job(checking, tags=tags)
    assert isinstance(schedule(context), dg.RunRequest)
    assert batch_job.execute_in_process(instance=instance).success
    assert isinstance(schedule(context), dg.SkipReason)


@given(
    st.timedeltas(timedelta(0), timedelta(days=730)).map(lambda ahead: NOW + ahead),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"]),
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
)
def test_the_next_batch_is_within_a_day_at_its_hour(now: datetime, zone: str, at: time) -> None:
    settings = load_settings(batch_at=at, batch_time_zone=zone)
    found = next_batch(settings, now)
    # A night on which clocks are put forward or back is an hour shorter or longer.
    assert timedelta(0) < found - now <= timedelta(hours=25)
    local = found.astimezone(ZoneInfo(zone))
    is_skipped = local.replace(tzinfo=None) != datetime.combine(local.date(), at)
    assert not is_skipped or local.utcoffset() != (local - timedelta(hours=3)).utcoffset()


def test_the_schedule_asks_for_one_at_a_time(instance: dg.DagsterInstance) -> None:
    context = dg.build_schedule_context(instance=instance)
    assert isinstance(retention_schedule(context), dg.RunRequest)
    instance.create_run_for_job(retention_job)
    assert isinstance(retention_schedule(context), dg.SkipReason)
