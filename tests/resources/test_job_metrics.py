"""The stages of a job, and what they add to the metrics."""

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from resources.job_metrics import JobTimes, record_job, stage_durations_s
from resources.telemetry import METRICS_KEY, series_of

TIMES = st.floats(0, 4e9)


def test_the_stages_of_a_job_that_ran() -> None:
    times = JobTimes(created_s=100.0, taken_s=102.0, started_s=102.5, ended_s=110.0)
    assert stage_durations_s(times) == {"queued": 2.0, "start": 0.5, "run": 7.5, "total": 10.0}


def test_a_job_that_nobody_took_was_queued_until_its_end() -> None:
    assert stage_durations_s(JobTimes(created_s=100.0, ended_s=104.0)) == {
        "queued": 4.0,
        "total": 4.0,
    }


@given(created_s=TIMES, ended_s=TIMES, taken_s=TIMES | st.none(), started_s=TIMES | st.none())
def test_clocks_that_disagree_give_no_negative_stage(
    created_s: float, ended_s: float, taken_s: float | None, started_s: float | None
) -> None:
    durations_s = stage_durations_s(JobTimes(created_s, ended_s, taken_s, started_s))
    assert {"queued", "total"} <= set(durations_s)
    assert all(duration_s >= 0 for duration_s in durations_s.values())


@pytest.mark.stack
def test_an_ended_job_is_counted_once_and_in_each_stage(broker_url: str) -> None:
    client = redis.Redis.from_url(broker_url, decode_responses=True)
    client.flushall()
    record_job(client, "grading_apply", "completed", JobTimes(0.0, 1.0, 0.2, 0.3))
    record_job(client, "grading_apply", "canceled", JobTimes(0.0, 0.5))
    figures = list(series_of(client.hgetall(METRICS_KEY)))
    jobs = {one.labels["status"]: one.value for one in figures if one.name == "studio_jobs_total"}
    assert jobs == {"completed": 1, "canceled": 1}
    stages: dict[str, float] = {}
    for one in figures:
        if one.name == "studio_job_seconds":
            stage = one.labels["stage"]
            stages[stage] = stages.get(stage, 0) + one.value
    assert stages == {"queued": 2, "start": 1, "run": 1, "total": 2}
