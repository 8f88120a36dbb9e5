"""Cancels and deadlines on a running studio: soon, and nothing is left of the job.

``make soak`` does it fifty times and writes bench/results/cancel.json.
"""

import json
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import soundfile
from asset_store_check import leftovers, wrong_answers
from running_studio import RunningStudio, eventually
from safe_points import picture, sound

from studio_pipelines.contract.jobs import Job

pytestmark = pytest.mark.stack
RESULTS = Path(__file__).resolve().parents[3] / "bench" / "results" / "cancel.json"
# The first jobs fill caches that stay.
SETTLING = 4


@dataclass(frozen=True)
class Kind:
    """One operation to cancel, with inputs that keep it at work for some seconds."""

    worker: str
    operation: str
    body: dict[str, Any]


@pytest.fixture(scope="module")
def kinds(
    media_studio: RunningStudio, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Kind, ...]:
    from studio_pipelines.media.image_encode import encode_picture
    from studio_pipelines.media.picture import Picture

    folder = tmp_path_factory.mktemp("inputs")
    encode_picture(Picture(picture(8, "uint16")), folder / "a.png")
    soundfile.write(folder / "a.wav", sound(1.5), 48_000, "PCM_24")
    image = media_studio.upload((folder / "a.png").read_bytes())
    audio = media_studio.upload((folder / "a.wav").read_bytes())
    loud = {"audio": audio, "targetLufs": -9}
    return (
        Kind("grading-engine", "grading_apply", {"image": image, "exposure": 0.4}),
        Kind("audio-master", "audio_master", loud),
    )


def begin(studio: RunningStudio, kind: Kind, **more: Any) -> str:
    return studio.studio.submit(kind.operation, **kind.body, **more).job_id


def idle_row(studio: RunningStudio, kind: Kind) -> dict[str, Any]:
    """Wait until the worker is free, and return its row."""
    row = eventually(
        lambda: (row := studio.row(kind.worker))["status"] == "ready" and row, timeout_s=60
    )
    # Leases are given back: none, or on a machine without a ledger no figure at all.
    assert row["vram"]["reservedMiB"] in (None, 0)
    return row


def end_of(studio: RunningStudio, job_id: str) -> Job:
    return eventually(
        lambda: (record := studio.studio.job(job_id)).has_ended and record, timeout_s=60
    )


def cancel_at(studio: RunningStudio, kind: Kind, moment: str, rng: random.Random) -> float | None:
    """Cancel one job at a moment of its life; return how long it took to be ``canceled``."""
    blocker = begin(studio, kind) if moment == "queued" else None
    if blocker is not None:
        studio.job_once(blocker, "processing")
    job_id = begin(studio, kind)
    if moment == "starting":
        time.sleep(rng.uniform(0, 0.08))
    elif moment == "running":
        studio.job_once(job_id, "processing")
        time.sleep(rng.uniform(0, 1.5))
    asked_s = time.perf_counter()
    told = studio.studio.cancel(job_id)
    ended = end_of(studio, job_id)
    took_s = time.perf_counter() - asked_s
    if blocker is not None:
        studio.studio.cancel(blocker)
        assert end_of(studio, blocker).status == "canceled"
    if told.status == "already_finished":
        return None
    assert ended.status == "canceled", ended
    return took_s


def nothing_left(studio: RunningStudio, assets: int) -> None:
    root = studio.assets_dir
    eventually(lambda: not leftovers(root))
    assert wrong_answers(root) == []
    assert len(list((root / "assets").iterdir())) == assets


def cancel_often(studio: RunningStudio, kinds: tuple[Kind, ...], times: int) -> dict[str, Any]:
    """Cancel jobs at every moment of their lives; return what was measured."""
    rng = random.Random(3)
    before = {kind.worker: idle_row(studio, kind) for kind in kinds}
    assets = len(list((studio.assets_dir / "assets").iterdir()))
    took_s: dict[str, list[float]] = {"queued": [], "starting": [], "running": []}
    rss_mib: dict[str, list[float]] = {kind.worker: [] for kind in kinds}
    for n in range(times):
        kind, moment = kinds[n % len(kinds)], ("running", "starting", "queued")[n // 2 % 3]
        took = cancel_at(studio, kind, moment, rng)
        if took is not None:
            took_s[moment].append(took)
        row = idle_row(studio, kind)
        assert row["pid"] == before[kind.worker]["pid"], "the warm process is gone"
        nothing_left(studio, assets)
        # The warm process alone: its decoder is ended with the file that it was reading, and
        # started for the next one.
        own = psutil.Process(row["pid"]).memory_info().rss / (1 << 20)
        rss_mib[kind.worker].append(round(own, 1))
    return {"tookS": took_s, "rssMib": rss_mib}


def test_canceled_jobs_end_soon_and_leave_nothing(
    media_studio: RunningStudio, kinds: tuple[Kind, ...]
) -> None:
    found = cancel_often(media_studio, kinds, times=6)
    assert all(found["tookS"].values())
    for kind in kinds:
        media_studio.made(kind.operation, **kind.body)


@pytest.mark.parametrize("index", [0, 1])
def test_a_deadline_ends_a_job_the_same_way(
    media_studio: RunningStudio, kinds: tuple[Kind, ...], index: int
) -> None:
    kind = kinds[index]
    pid = idle_row(media_studio, kind)["pid"]
    assets = len(list((media_studio.assets_dir / "assets").iterdir()))
    # On a fast machine the job could be done in a second; longer waits would not be for the test.
    record = end_of(media_studio, begin(media_studio, kind, timeout_seconds=1))
    assert record.error is not None
    assert record.error.code == "deadline_exceeded"
    assert idle_row(media_studio, kind)["pid"] == pid
    nothing_left(media_studio, assets)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_fifty_cancels_leave_the_workers_as_they_were(
    media_studio: RunningStudio, kinds: tuple[Kind, ...]
) -> None:
    found = cancel_often(media_studio, kinds, times=50)
    figures: dict[str, Any] = {"cancels": 50}
    for moment, took_s in found["tookS"].items():
        figures[f"{moment}S"] = {
            "median": round(sorted(took_s)[len(took_s) // 2], 3),
            "longest": round(max(took_s), 3),
        }
    figures["rssMib"] = {
        worker: {"first": values[SETTLING], "last": values[-1], "lowest": min(values[SETTLING:]),
                 "highest": max(values[SETTLING:])}
        for worker, values in found["rssMib"].items()
    }  # fmt: skip
    RESULTS.write_text(json.dumps(figures, indent=2) + "\n")
    for worker, rss in figures["rssMib"].items():
        assert rss["highest"] <= 1.05 * rss["first"], (worker, found["rssMib"][worker])
