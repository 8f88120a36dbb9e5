import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from running_studio import RunningStudio, problem_in

from studio_pipelines.media.loudness import measure

pytestmark = pytest.mark.stack
ROUTE = "/api/audio/master"
RATE_HZ = 48_000


def uri(data: bytes) -> str:
    return "data:application/octet-stream;base64," + base64.b64encode(data).decode()


def wav_of(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE_HZ, "FLOAT", format="WAV")
    return file.getvalue()


def master(studio: RunningStudio, **fields: Any) -> dict[str, Any]:
    answer = studio.client.post(ROUTE, json=fields)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


@pytest.mark.parametrize("preset", ["streaming", "ebu"])
def test_the_song_is_on_target_when_measured_again(
    media_studio: RunningStudio, samples: Path, preset: str
) -> None:
    song = (samples / "music-mix.flac").read_bytes()
    data = master(media_studio, audio=uri(song), preset=preset, format="flac")
    verification = data["verification"]
    assert verification["achieved"], verification["reason"]
    file = io.BytesIO(media_studio.client.get(data["url"]).content)
    heard, rate_hz = soundfile.read(file, dtype="float32", always_2d=True)
    measured = measure(heard, rate_hz)
    assert abs(measured.integrated_lufs - verification["targetLufs"]) <= 0.1
    assert measured.true_peak_db <= verification["truePeakCeilingDb"]
    assert len(heard) == soundfile.info(io.BytesIO(song)).frames
    assert set(data["assets"]) == {"master", "loudness", "spectrum", "report"}
    report = media_studio.client.get(data["assets"]["report"]["url"]).json()
    assert report["verification"]["after"] == verification["after"]


def test_a_lossy_master_stays_under_the_ceiling(media_studio: RunningStudio, samples: Path) -> None:
    song = (samples / "music-mix.flac").read_bytes()
    data = master(media_studio, audio=uri(song), format="mp3", bitrate=128)
    assert data["assets"]["master"]["mediaType"] == "audio/mpeg"
    assert data["verification"]["after"]["truePeakDb"] <= -1.0
    assert data["verification"]["achieved"], data["verification"]["reason"]


SINE = 0.1 * np.sin(2 * np.pi * 997 * np.arange(RATE_HZ) / RATE_HZ).astype(np.float32)
BAD_SOUNDS = {
    "silence": np.zeros(RATE_HZ, np.float32),
    "0.1 s": SINE[: RATE_HZ // 10],
    "not a number": np.where(np.arange(RATE_HZ) == 100, np.nan, SINE).astype(np.float32),
}


@pytest.mark.parametrize("name", BAD_SOUNDS)
def test_what_cannot_be_mastered_is_refused(media_studio: RunningStudio, name: str) -> None:
    answer = media_studio.client.post(ROUTE, json={"audio": uri(wav_of(BAD_SOUNDS[name]))})
    assert problem_in(answer, 422, "unusable_media")["field"] == "audio"


def test_an_empty_file_is_refused_before_any_run(media_studio: RunningStudio) -> None:
    answer = media_studio.client.post(ROUTE, files={"audio": io.BytesIO(b"")})
    assert problem_in(answer, 422, "unusable_media")["field"] == "audio"
    assert "jobId" not in answer.json()


def test_a_target_that_the_mode_cannot_reach_is_told(media_studio: RunningStudio) -> None:
    clicks = np.zeros(2 * RATE_HZ, np.float32)
    clicks[:: RATE_HZ // 4] = 0.9
    data = master(media_studio, audio=uri(wav_of(clicks)), targetLufs=-14, mode="linear")
    assert data["verification"]["achieved"] is False
    assert data["verification"]["passed"] is False
    assert "ceiling" in data["verification"]["reason"]
