"""Hostile files through the whole service, as jobs, and what came of each."""

import collections
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
from running_studio import RunningStudio

PROCESSES = ("broker", "database", "worker-image", "worker-audio", "api")
GRADING, MASTERING = "/api/grading/apply", "/api/audio/master"
_SOUNDS = ("wav", "flac", "aiff", "ogg", "mp3", "opus", "m4a")
_VIDEOS = ("mp4", "mov", "mkv", "webm", "avi")
_LUTS = ("cube", "3dl", "csp")
REFUSED = (413, 415, 422)
_PATH = re.compile(r"(^|[\s'\"(])/\w")


@dataclass
class Answers:
    """What the service said to many files of one kind.

    Attributes:
        counts: How often: ``completed``, or the code of the error.
        faults: Answers that are none to give to a hostile file.
    """

    counts: collections.Counter[str] = field(default_factory=collections.Counter)
    faults: list[str] = field(default_factory=list)


def request_for(kind: str, asset: str, picture: str) -> tuple[str, dict[str, Any]]:
    """Return a route that takes such files, and a small job for one."""
    if kind in _SOUNDS:
        return MASTERING, {"audio": asset, "format": "flac"}
    if kind in _LUTS:
        return GRADING, {"image": picture, "lut": asset}
    return GRADING, {"video" if kind in _VIDEOS else "image": asset, "exposure": 0.5}


def send_all(
    studio: RunningStudio, kind: str, files: Iterable[bytes], picture: str, *, at_once: int = 4
) -> Answers:
    """Upload each file and have a job made of it; several at a time, as callers come."""
    answers = Answers()

    def one(data: bytes) -> httpx.Response:
        route, body = request_for(kind, studio.upload(data), picture)
        return studio.client.post(route, json=body, timeout=150)

    with ThreadPoolExecutor(at_once) as crew:
        for answer in crew.map(one, [data for data in files if data]):
            said = answer.json()
            if answer.status_code == 200:
                answers.counts["completed"] += 1
                continue
            error = said.get("error", {})
            answers.counts[str(error.get("code"))] += 1
            plain = bool(error.get("message")) and not _PATH.search(error["message"])
            if answer.status_code not in REFUSED or not plain:
                answers.faults.append(f"{kind}: {answer.status_code} {answer.text}")
    return answers
