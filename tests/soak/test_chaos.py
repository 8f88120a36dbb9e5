"""Processes killed at random under a stream of real jobs: nothing is lost, doubled or damaged."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from job_stream import Order, StreamClient, Timeline, accepted_by, main_sha256, make_orders
from kills import Kill, Killer, plan, recovery_figures
from running_studio import SYNC_WAIT_S, RunningStudio, eventually, running_studio
from storage_checks import RunStorage, asset_ids_of, store_faults

from bench.record import conditions, write_record
from resources.run_tags import job_id_of, run_id_of
from studio_pipelines.settings import load_settings

pytestmark = pytest.mark.stack
PROCESSES = ("broker", "database", "worker-image", "worker-audio", "api", "dagster-daemon")
CLIENTS = 4
FULL_SEED, FULL_ROUNDS = 20_261_126, 25
SHORT_SEED, SHORT_ROUNDS = 7, 3
LONGEST_END_S = 240
# A run is resumed twice: only one whose worker died three times may be given up.
DEATHS_FORGIVEN = 2


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[RunningStudio]:
    settings = load_settings(data_dir=tmp_path / "data", sync_wait_s=SYNC_WAIT_S)
    with running_studio(settings, PROCESSES) as studio:
        eventually(RunStorage(studio).monitored_at_s, timeout_s=60)
        yield studio


def test_three_kills(busy: RunningStudio) -> None:
    survive(busy, SHORT_SEED, SHORT_ROUNDS)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_twenty_five_kills(busy: RunningStudio) -> None:
    figures = conditions()
    began_s = time.monotonic()
    kills, jobs = survive(busy, FULL_SEED, FULL_ROUNDS)
    figures |= {
        "seed": FULL_SEED,
        "rounds": FULL_ROUNDS,
        "took_s": round(time.monotonic() - began_s),
        "jobs": jobs,
        "bar_for_worker_deaths_s": 15,
        "recovery": recovery_figures(kills),
    }
    write_record("chaos", figures)


def survive(studio: RunningStudio, seed: int, rounds: int) -> tuple[list[Kill], dict[str, int]]:
    """Kill under load, then check everything; return the kills and how many jobs ended how."""
    uploads: list[str] = []
    orders = make_orders(studio, uploads)
    timeline = Timeline()
    killer = Killer(studio, orders, seed, timeline)
    clients = [
        StreamClient(f"client {n}", studio.stack.api_url, orders, f"{seed} {n}", timeline)
        for n in range(CLIENTS)
    ]
    kills: list[Kill] = []
    try:
        for client in clients:
            client.start()
        kills += [killer.kill(victim) for victim in plan(seed, rounds)]
    finally:
        for client in clients:
            client.ask_to_stop()
        for client in clients:
            client.join()
        # Shown if what follows, or what came before, fails.
        print(timeline.text())  # noqa: T201
    statuses = RunStorage(studio).wait_until_all_ended(LONGEST_END_S)
    accepted = accepted_by([*clients, killer.probe])
    records = {run_id: studio.job(job_id_of(run_id)) for run_id in statuses}
    assert timeline.faults == []
    assert list(run_faults(records, accepted, kills)) == []
    completed = [run_id for run_id, record in records.items() if record["status"] == "completed"]
    assert list(RunStorage(studio).twice_told(completed)) == []
    expected = [one.removeprefix("asset:") for one in uploads]
    expected += [one for run_id in completed for one in asset_ids_of(records[run_id])]
    assert store_faults(studio.assets_dir, expected) == []
    return kills, dict(Counter(record["status"] for record in records.values()))


def run_faults(
    records: Mapping[str, Mapping[str, Any]],
    accepted: Mapping[str, Order],
    kills: Sequence[Kill],
) -> Iterator[str]:
    """Describe the runs that are lost, did not end as they should, or made something wrong."""
    deaths = Counter(run_id for kill in kills for run_id in kill.in_hand)
    yield from (f"{job_id} is lost" for job_id in accepted if run_id_of(job_id) not in records)
    for run_id, record in records.items():
        order = accepted.get(job_id_of(run_id))
        if record["status"] == "completed":
            if order and main_sha256(record["data"]) != order.result_sha256:
                yield f"{run_id} made another result than undisturbed"
        elif order is None and record["status"] == "canceled" and record["startedAt"] is None:
            # The API was killed between making the run and queueing it: nobody was told of it.
            continue
        elif record["status"] != "failed":
            yield f"{run_id} is {record['status']}"
        elif record["error"]["code"] != "worker_lost" or deaths[run_id] <= DEATHS_FORGIVEN:
            yield f"{run_id} failed after {deaths[run_id]} deaths: {record['error']}"
