"""Clients that keep a studio busy with small real jobs, and take its failures as people would."""

import io
import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import soundfile
from running_studio import RunningStudio

from resources.run_tags import job_id_of

SAMPLES_DIR = Path(__file__).resolve().parents[2] / "samples"
SECONDS_OF_MUSIC = 6
RETRY_S = 0.3
LONGEST_JOB_S = 120
GRADING, MASTERING = "/api/grading/apply", "/api/audio/master"
LANE_OF_ROUTE = {GRADING: "image", MASTERING: "audio"}
OPERATION_OF_LANE = {"image": "grading_apply", "audio": "audio_master"}


@dataclass(frozen=True)
class Order:
    """A request, and the hash of the main asset that it makes when nothing goes wrong."""

    route: str
    body: Mapping[str, Any]
    result_sha256: str

    @property
    def lane(self) -> str:
        return LANE_OF_ROUTE[self.route]


@dataclass
class Timeline:
    """What happened when, for whoever has to find out why something went wrong."""

    began_s: float = field(default_factory=time.monotonic)
    entries: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def note(self, who: str, what: str) -> None:
        self.entries.append(f"{time.monotonic() - self.began_s:8.2f} s  {who:10s}  {what}")

    def fault(self, who: str, what: str) -> None:
        self.note(who, f"FAULT: {what}")
        self.faults.append(what)

    def text(self) -> str:
        return "\n".join(self.entries)


def music(name: str) -> bytes:
    """The first seconds of a sample, as FLAC."""
    with soundfile.SoundFile(SAMPLES_DIR / name) as file:
        samples, rate_hz = file.read(SECONDS_OF_MUSIC * file.samplerate), file.samplerate
    flac = io.BytesIO()
    soundfile.write(flac, samples, rate_hz, format="FLAC")
    return flac.getvalue()


def make_orders(studio: RunningStudio, uploads: list[str]) -> list[Order]:
    """Upload the media and run each request once undisturbed, so that its result is known."""

    def upload(data: bytes) -> str:
        uploads.append(studio.upload(data))
        return uploads[-1]

    pictures = {
        name: upload((SAMPLES_DIR / name).read_bytes())
        for name in ("tower.jpg", "astronaut.jpg", "coffee-p3-16bit.png")
    }
    lut = upload((SAMPLES_DIR / "warm_dusk.cube").read_bytes())
    requests: list[tuple[str, dict[str, Any]]] = [
        (GRADING, {"image": pictures["tower.jpg"], "lut": lut, "intensity": 0.8}),
        (GRADING, {"image": pictures["astronaut.jpg"], "exposure": 0.4, "format": "jpeg"}),
        (GRADING, {"image": pictures["coffee-p3-16bit.png"], "contrast": 1.2}),
        (MASTERING, {"audio": upload(music("music-mix.flac")), "preset": "streaming"}),
        (MASTERING, {"audio": upload(music("music-drums.flac")), "format": "flac"}),
    ]
    return [Order(route, body, undisturbed(studio, route, body)) for route, body in requests]


def undisturbed(studio: RunningStudio, route: str, body: Mapping[str, Any]) -> str:
    answer = studio.client.post(route, json={**body, "async": True})
    assert answer.status_code == 202, answer.text
    record = studio.job_once(answer.json()["jobId"], "completed")
    return main_sha256(record["data"])


def main_sha256(data: Mapping[str, Any]) -> str:
    """The hash of a result's main asset."""
    return next(one["sha256"] for one in data["assets"].values() if one["url"] == data["url"])


class StreamClient:
    """One client: a job at a time, waiting for half of them and following the others by id."""

    def __init__(
        self, name: str, api_url: str, orders: Sequence[Order], seed: str, timeline: Timeline
    ) -> None:
        self._name = name
        self._orders = orders
        self._random = random.Random(seed)
        self._timeline = timeline
        self._http = httpx.Client(
            base_url=api_url, timeout=30, headers={"Cache-Control": "no-cache"}
        )
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.accepted: dict[str, Order] = {}

    def start(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Take no new job; the one in hand is seen through."""
        self._stopped.set()

    def join(self) -> None:
        """Wait for the job in hand as long as the client does."""
        self._thread.join(timeout=2 * LONGEST_JOB_S)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self.do(self._random.choice(self._orders), at_once=self._random.random() < 0.5)
        self._http.close()

    def do(self, order: Order, *, at_once: bool, priority: int = 5) -> str | None:
        """Send one request until it is taken and see it through; return the job's id.

        None where the answer was lost: the job may have been made or not.
        """
        body = {**order.body, "async": at_once, "priority": priority}
        while True:
            answer = self._request("POST", order.route, json=body)
            if answer is None:
                return None
            if answer.status_code != 503:
                return self._taken(order, answer)
            if "Retry-After" not in answer.headers:
                self._timeline.fault(self._name, f"503 without Retry-After: {answer.text}")
            time.sleep(RETRY_S)

    def _taken(self, order: Order, answer: httpx.Response) -> str | None:
        job_id = answer.json().get("jobId")
        if job_id is None:
            self._timeline.fault(self._name, f"{answer.status_code}: {answer.text}")
            return None
        self.accepted[job_id] = order
        self._timeline.note(self._name, f"{order.lane} {answer.status_code} {job_id}")
        if answer.status_code == 202:
            self._follow(job_id)
        return job_id

    def _follow(self, job_id: str) -> None:
        for record in self._looks_at(job_id):
            if record["status"] in ("completed", "failed", "canceled"):
                self._timeline.note(self._name, f"{record['status']} {job_id}")
                return
            time.sleep(0.1)

    def _looks_at(self, job_id: str) -> Iterator[dict[str, Any]]:
        """Read the record again and again; the API may be away for a while."""
        deadline_s = time.monotonic() + LONGEST_JOB_S
        while time.monotonic() < deadline_s:
            answer = self._request("GET", f"/api/jobs/{job_id}")
            if answer is not None and answer.status_code == 200:
                yield answer.json()
            elif answer is not None and answer.status_code != 503:
                self._timeline.fault(self._name, f"{job_id}: {answer.status_code} {answer.text}")
                return
        self._timeline.fault(self._name, f"{job_id} did not end within {LONGEST_JOB_S} s")

    def _request(self, method: str, path: str, **more: Any) -> httpx.Response | None:
        try:
            return self._http.request(method, path, **more)
        except httpx.TransportError as error:
            self._timeline.note(self._name, f"{method} {path}: {type(error).__name__}")
            time.sleep(RETRY_S)
            return None


def accepted_by(clients: Sequence[StreamClient]) -> dict[str, Order]:
    """Every job that a client was told of, with what was asked."""
    return {job_id: order for client in clients for job_id, order in client.accepted.items()}


def job_ids_of(run_ids: Sequence[str]) -> list[str]:
    return [job_id_of(run_id) for run_id in run_ids]
