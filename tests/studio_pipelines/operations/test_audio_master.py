import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from running_studio import RunningStudio, problem_in, uri

from studio_pipelines.media.loudness import measure

pytestmark = pytest.mark.stack
ROUTE = "/api/audio/master"
RATE_HZ = 48_000


def wav_of(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE_HZ, "FLOAT", format="WAV")
    return file.getvalue()


@pytest.mark.parametrize("preset", ["streaming", "ebu"])
def test_the_song_is_on_target_when_measured_again(
    media_studio: RunningStudio, samples: Path, preset: str
) -> None:
    song = (samples / "music-mix.flac").read_bytes()
    data = media_studio.made("audio_master", audio=uri(song), preset=preset, format="flac")
    verification = data.verification
    assert verification["achieved"], verification["reason"]
    file = io.BytesIO(media_studio.content(data))
    heard, rate_hz = soundfile.read(file, dtype="float32", always_2d=True)
    measured = measure(heard, rate_hz)
    assert abs(measured.integrated_lufs - verification["targetLufs"]) <= 0.1
    assert measured.true_peak_db <= verification["truePeakCeilingDb"]
    assert len(heard) == soundfile.info(io.BytesIO(song)).frames
    assert set(data.assets) == {"master", "loudness", "spectrum", "report"}
    report = json.loads(media_studio.content(data.assets["report"]))
    assert report["verification"]["after"] == verification["after"]


def test_a_lossy_master_stays_under_the_ceiling(media_studio: RunningStudio, samples: Path) -> None:
    song = (samples / "music-mix.flac").read_bytes()
    data = media_studio.made("audio_master", audio=uri(song), format="mp3", bitrate=128)
    assert data.assets["master"].media_type == "audio/mpeg"
    assert data.verification["after"]["truePeakDb"] <= -1.0
    assert data.verification["achieved"], data.verification["reason"]


def test_a_song_takes_over_the_tone_and_the_loudness_of_a_reference(
    media_studio: RunningStudio, samples: Path
) -> None:
    song = media_studio.upload((samples / "music-mix.flac").read_bytes())
    dark = media_studio.made(
        "audio_master",
        audio=song,
        eq={"tilt": -1, "low": 3},
        width=0.5,
        targetLufs=-17,
        format="flac",
    )
    assert dark.metrics["width"] == 0.5
    data = media_studio.made(
        "audio_master", audio=song, reference=f"asset:{dark.assets['master'].id}"
    )
    assert data.verification["achieved"], data.verification["reason"]
    assert data.verification["targetLufs"] == pytest.approx(-17, abs=0.01)
    metrics = data.metrics
    assert metrics["referenceDistanceAfterDb"] < 0.35 * metrics["referenceDistanceBeforeDb"]
    assert metrics["width"] == pytest.approx(0.5, abs=0.05)
    report = json.loads(media_studio.content(data.assets["report"]))
    gains = dict(
        zip(report["equaliser"]["frequenciesHz"], report["equaliser"]["gainsDb"], strict=True)
    )
    assert min(gains.values()) < -2
    assert max(gains.values()) > 2


def test_every_parameter_at_once(media_studio: RunningStudio, samples: Path) -> None:
    song = media_studio.upload((samples / "music-mix.flac").read_bytes())
    data = media_studio.made(
        "audio_master", audio=song, targetLufs=-16, truePeakDb=-2, lra=6, eq={"high": 2},
        compress=0.7, width=1.2, format="wav", bitDepth=24, dither="tpdf", sampleRate=96_000,
    )  # fmt: skip
    verification, metrics = data.verification, data.metrics
    assert verification["achieved"], verification["reason"]
    assert verification["after"]["lra"] <= 6.5 < verification["before"]["lra"]
    assert "levelled" in metrics["modeReason"]
    assert metrics["mode"] == "dynamic"
    assert metrics["compressionRatio"] == 1.7
    assert metrics["levelledUpDb"] > 1
    file = io.BytesIO(media_studio.content(data))
    about = soundfile.info(file)
    assert (about.samplerate, about.subtype) == (96_000, "PCM_24")
    heard = soundfile.read(io.BytesIO(file.getvalue()), dtype="float32")[0]
    assert measure(heard, 96_000).integrated_lufs == pytest.approx(-16, abs=0.1)


def test_an_album_gets_one_gain(media_studio: RunningStudio, samples: Path) -> None:
    names = ("music-mix", "music-bass", "music-drums")
    tracks = [media_studio.upload((samples / f"{name}.flac").read_bytes()) for name in names]
    silent = media_studio.upload(wav_of(np.zeros(RATE_HZ, np.float32)))
    data = media_studio.made(
        "audio_master", audio=[*tracks, silent], targetLufs=-20, albumMode=True, format="flac"
    )
    *items, failed = data.items
    assert failed.error.code == "unusable_media"
    assert len({item.metrics["gainDb"] for item in items}) == 1
    heard: list[np.ndarray] = []
    for item in items:
        assert item.verification["achieved"], item.verification["reason"]
        assert item.verification["albumLufs"] == pytest.approx(-20, abs=0.1)
        file = io.BytesIO(media_studio.content(item))
        samples_of_item, rate_hz = soundfile.read(file, dtype="float32", always_2d=True)
        heard.append(samples_of_item)
    together = measure(np.concatenate(heard), rate_hz)
    assert together.integrated_lufs == pytest.approx(-20, abs=0.1)
    assert together.true_peak_db <= -1


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"match": 0.5}, "reference"),
        ({"width": 1.5}, "width"),
        ({"format": "mp3", "sampleRate": 96_000}, "sampleRate"),
        ({"format": "mp3", "dither": "tpdf"}, "dither"),
        ({"eq": {"tilt": 3}}, "eq"),
        ({"lra": 0}, "lra"),
        ({"compress": 1.5}, "compress"),
    ],
)
def test_what_does_not_go_together_is_refused(
    media_studio: RunningStudio, fields: dict[str, Any], field: str
) -> None:
    answer = media_studio.client.post(ROUTE, json={"audio": uri(wav_of(SINE)), **fields})
    error = problem_in(answer, 422, answer.json()["error"]["code"])
    assert error["field"].startswith(field)


SINE = 0.1 * np.sin(2 * np.pi * 997 * np.arange(RATE_HZ) / RATE_HZ).astype(np.float32)
BAD_SOUNDS = {
    "a constant offset": np.full(RATE_HZ, 0.5, np.float32),
    "silence": np.zeros(RATE_HZ, np.float32),
    "0.1 s": SINE[: RATE_HZ // 10],
    "not a number": np.where(np.arange(RATE_HZ) == 100, np.nan, SINE).astype(np.float32),
}


@pytest.mark.parametrize("name", BAD_SOUNDS)
def test_what_cannot_be_mastered_is_refused(media_studio: RunningStudio, name: str) -> None:
    answer = media_studio.client.post(ROUTE, json={"audio": uri(wav_of(BAD_SOUNDS[name]))})
    assert problem_in(answer, 422, "unusable_media")["field"] == "audio"


def test_a_cut_off_file_is_refused(media_studio: RunningStudio) -> None:
    whole = wav_of(np.tile(SINE, 3))
    answer = media_studio.client.post(ROUTE, json={"audio": uri(whole[: len(whole) // 2])})
    assert "cut off" in problem_in(answer, 422, "unusable_media")["message"]


def test_eight_channels_are_mastered_or_the_format_says_why_not(
    media_studio: RunningStudio,
) -> None:
    wide = media_studio.upload(wav_of(np.repeat(SINE[:, None], 8, axis=1)))
    assert media_studio.made("audio_master", audio=wide, format="flac").verification["achieved"]
    answer = media_studio.client.post(ROUTE, json={"audio": wide, "format": "mp3"})
    assert problem_in(answer, 422, "invalid_parameter")["field"] == "format"


def test_an_empty_file_is_refused_before_any_run(media_studio: RunningStudio) -> None:
    answer = media_studio.client.post(ROUTE, files={"audio": io.BytesIO(b"")})
    assert problem_in(answer, 422, "unusable_media")["field"] == "audio"
    assert "jobId" not in answer.json()


def test_a_target_that_the_mode_cannot_reach_is_told(media_studio: RunningStudio) -> None:
    clicks = np.zeros(2 * RATE_HZ, np.float32)
    clicks[:: RATE_HZ // 4] = 0.9
    data = media_studio.made(
        "audio_master", audio=uri(wav_of(clicks)), targetLufs=-14, mode="linear"
    )
    assert data.verification["achieved"] is False
    assert data.verification["passed"] is False
    assert "ceiling" in data.verification["reason"]
