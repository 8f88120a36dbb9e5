"""Telling progress, on a real server."""

import json
import time
from collections.abc import Iterable

import dagster as dg
import pytest
import redis

from resources import signals
from resources.artifact import Artifact
from resources.progress import MAX_STAGES_LOGGED, MIN_INTERVAL_S, Progress
from resources.run_events import STREAM_LENGTH, stream_key

pytestmark = pytest.mark.stack
PREVIEW = Artifact("ast_1", "0" * 64, "image/png", 5, "2026-01-01T00:00:00.000+00:00")


def told(broker_url: str, run_id: str) -> dict[str, object] | None:
    text = redis.Redis.from_url(broker_url).get(signals.progress_key(run_id))
    return json.loads(text) if text else None


def streamed(broker_url: str, run_id: str) -> list[dict[str, object]]:
    client = redis.Redis.from_url(broker_url, decode_responses=True)
    entries = client.xrange(stream_key(run_id))
    assert all(entry["type"] == "progress" for _, entry in entries)
    return [json.loads(entry["data"]) for _, entry in entries]


def new_progress(broker_url: str) -> Progress:
    progress = Progress(redis_url=broker_url)
    progress.setup_for_execution(dg.build_init_resource_context())
    progress._run_id = "run-1"
    return progress


@pytest.fixture
def progress(broker_url: str) -> Progress:
    redis.Redis.from_url(broker_url).flushall()
    return new_progress(broker_url)


def test_it_is_told_under_the_run(progress: Progress, broker_url: str) -> None:
    progress.report(0.12345, "read")
    assert told(broker_url, "run-1") == {"fraction": 0.1235, "stage": "read"}
    assert told(broker_url, "run-2") is None


@pytest.mark.parametrize(("given", "kept"), [(-0.5, 0.0), (1.5, 1.0), (1, 1.0)])
def test_it_stays_between_nothing_and_all(
    progress: Progress, broker_url: str, given: float, kept: float
) -> None:
    progress.report(given, "read")
    assert told(broker_url, "run-1") == {"fraction": kept, "stage": "read"}


def test_a_fresh_one_is_not_replaced_unless_the_stage_changes(
    progress: Progress, broker_url: str
) -> None:
    progress.report(0.1, "read")
    progress.report(0.2, "read")
    assert told(broker_url, "run-1") == {"fraction": 0.1, "stage": "read"}
    progress.report(0.3, "write")
    assert told(broker_url, "run-1") == {"fraction": 0.3, "stage": "write"}
    time.sleep(MIN_INTERVAL_S)
    progress.report(0.4, "write")
    assert told(broker_url, "run-1") == {"fraction": 0.4, "stage": "write"}


def test_it_never_goes_back_also_when_the_run_starts_over(
    progress: Progress, broker_url: str
) -> None:
    progress.report(0.6, "write")
    progress.report(0.2, "read")
    assert told(broker_url, "run-1") == {"fraction": 0.6, "stage": "read"}
    second = new_progress(broker_url)
    for fraction, stage in ((0.0, "read"), (0.5, "write"), (0.9, "store")):
        second.report(fraction, stage)
    fractions = [entry["fraction"] for entry in streamed(broker_url, "run-1")]
    assert fractions == [0.6, 0.6, 0.6, 0.6, 0.9]


def test_those_who_follow_find_what_they_missed(progress: Progress, broker_url: str) -> None:
    progress.report(0.1, "read")
    progress.report(0.5, "write", PREVIEW)
    progress.report(0.9, "store")
    assert streamed(broker_url, "run-1") == [
        {"fraction": 0.1, "stage": "read"},
        {"fraction": 0.5, "stage": "write", "preview": PREVIEW.describe()},
        {"fraction": 0.9, "stage": "store", "preview": PREVIEW.describe()},
    ]
    client = redis.Redis.from_url(broker_url)
    for key in (stream_key("run-1"), signals.progress_key("run-1")):
        assert 0 < client.ttl(key) <= signals.PROGRESS_TTL_S


def test_a_preview_is_not_lost_with_a_report_that_is_dropped(
    progress: Progress, broker_url: str
) -> None:
    progress.report(0.1, "read")
    progress.report(0.2, "read", PREVIEW)
    assert "preview" not in (told(broker_url, "run-1") or {})
    time.sleep(MIN_INTERVAL_S)
    progress.report(0.3, "read")
    assert (told(broker_url, "run-1") or {})["preview"] == PREVIEW.describe()


def test_the_stream_does_not_grow_for_ever(progress: Progress, broker_url: str) -> None:
    for number in range(3 * STREAM_LENGTH):
        progress.report(number / 1000, f"stage {number}")
    entries = streamed(broker_url, "run-1")
    # Redis drops whole nodes of 100 entries.
    assert STREAM_LENGTH <= len(entries) < STREAM_LENGTH + 100
    assert entries[-1]["stage"] == f"stage {3 * STREAM_LENGTH - 1}"


def test_the_work_goes_on_without_a_broker() -> None:
    progress = new_progress("redis://127.0.0.1:1/0")
    progress.report(0.1, "read")


def stages_logged(broker_url: str, stages: Iterable[str]) -> list[str]:
    """Run an op that goes through these stages; return what its run's log says of them."""

    @dg.op
    def work(progress: Progress) -> None:
        for number, stage in enumerate(stages):
            progress.report(number / 1000, stage)

    @dg.job(resource_defs={"progress": Progress(redis_url=broker_url)})
    def works() -> None:
        work()

    with dg.DagsterInstance.ephemeral() as instance:
        run_id = works.execute_in_process(instance=instance).run_id
        messages = [entry.user_message for entry in instance.all_logs(run_id)]
    return [text for text in messages if text.startswith("stage: ")]


def test_the_runs_log_names_each_stage_once(broker_url: str) -> None:
    stages = ["read", "read", "write", "read", "write", "store"]
    assert stages_logged(broker_url, stages) == ["stage: read", "stage: write", "stage: store"]


def test_an_op_that_makes_up_stages_does_not_fill_the_log(broker_url: str) -> None:
    logged = stages_logged(broker_url, (f"tile {number}" for number in range(100)))
    assert len(logged) == MAX_STAGES_LOGGED
