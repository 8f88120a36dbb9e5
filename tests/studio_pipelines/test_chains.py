"""The studio's own chains, on real servers, models and media."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image
from running_studio import RunningStudio, problem_in

from studio_pipelines.catalogue import chains, declared_chains
from studio_pipelines.contract.jobs import StepResult

pytestmark = pytest.mark.stack
RATE_HZ = 44_100


def wav_of(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE_HZ, "FLOAT", format="WAV")
    return file.getvalue()


def heard(studio: RunningStudio, step: StepResult, name: str) -> np.ndarray:
    content = studio.content(step.assets[name])
    return soundfile.read(io.BytesIO(content), always_2d=True)[0]


def level_db(samples: np.ndarray) -> float:
    return 10 * math.log10(max(1e-30, float(np.mean(np.square(samples)))))


def test_demix_master_mixes_the_stems_anew_and_masters_the_mix(
    media_studio: RunningStudio, samples: Path
) -> None:
    song = soundfile.read(samples / "music-mix.flac")[0][: 8 * RATE_HZ]
    audio = media_studio.upload(wav_of(song))
    data = media_studio.made(
        "demix-master",
        audio=audio,
        audio_demix={"stems": 4},
        stem_mix={"gains": {"drums": -4.0}, "mute": ["bass"]},
        audio_master={"targetLufs": -18, "format": "flac"},
    )
    assert list(data.steps) == ["audio_demix", "stem_mix", "audio_master"]
    demix, mix, master = data.steps.values()
    stems = {name: heard(media_studio, demix, name) for name in ("vocals", "drums", "other")}
    wanted = stems["vocals"] + stems["other"] + stems["drums"] * 10 ** (-4 / 20)
    found = heard(media_studio, mix, "mix")
    assert level_db(found - wanted) - level_db(wanted) <= -120
    assert mix.metrics["stems"] == 3
    assert master.verification["passed"] is True
    assert data.url == master.assets["master"].url
    assert data.assets["master"].media_type == "audio/flac"
    assert demix.verification["residualDb"] <= -80


def test_demix_master_without_gains_mixes_the_song_itself(
    media_studio: RunningStudio, samples: Path
) -> None:
    song = soundfile.read(samples / "music-mix.flac")[0][: 4 * RATE_HZ]
    data = media_studio.made("demix-master", audio=media_studio.upload(wav_of(song)))
    found = heard(media_studio, data.steps["stem_mix"], "mix")
    assert level_db(found - song) - level_db(song) <= -120


def test_a_stem_that_the_song_has_not_is_said(media_studio: RunningStudio, samples: Path) -> None:
    song = soundfile.read(samples / "music-mix.flac")[0][:RATE_HZ]
    fields = {"audio": media_studio.upload(wav_of(song)), "stem_mix": {"mute": ["flute"]}}
    answer = media_studio.client.post("/api/pipelines/demix-master", json=fields, timeout=120)
    error = problem_in(answer, 422, "invalid_parameter")
    assert error["field"] == "stem_mix.mute"
    assert error["hint"] == "This song has vocals, accompaniment."


def test_inpaint_grade_removes_an_object_and_grades_what_is_left(
    media_studio: RunningStudio, samples: Path
) -> None:
    picture = Image.open(samples / "tower.jpg").convert("RGB").resize((320, 240))
    file = io.BytesIO()
    picture.save(file, "PNG")
    data = media_studio.made(
        "inpaint-grade",
        image=media_studio.upload(file.getvalue()),
        image_inpaint={"box": [140, 100, 180, 140], "maskExpand": 0},
        grading_apply={"exposure": 0.5},
    )
    inpainted, graded = data.steps.values()
    assert data.url == graded.url == graded.assets["image"].url
    before, after = (
        np.asarray(Image.open(io.BytesIO(media_studio.content(step))), int)
        for step in (inpainted, graded)
    )
    outside = np.ones(before.shape[:2], bool)
    outside[95:145, 135:185] = False
    assert (before[outside] == np.asarray(picture, int)[outside]).all()
    assert (before[100:140, 140:180] != np.asarray(picture, int)[100:140, 140:180]).any()
    assert after.mean() > before.mean() + 10
    answer = media_studio.client.post(
        "/api/pipelines/inpaint-grade",
        json={"image": "asset:ast_0", "grading_apply": {"video": "asset:ast_0"}},
    )
    assert problem_in(answer, 422, "invalid_request")["field"] == "grading_apply.video"


def test_segment_inpaint_grade_removes_what_is_clicked_on(
    media_studio: RunningStudio, samples: Path
) -> None:
    picture = Image.open(samples / "tower.jpg").convert("RGB")
    pixels = np.asarray(picture).copy()
    y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
    thing = (y - 80) ** 2 + (x - 480) ** 2 <= 30**2
    pixels[thing] = (255, 0, 255)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    data = media_studio.made(
        "segment-inpaint-grade",
        image=media_studio.upload(file.getvalue()),
        mask_segment={"points": [{"x": 480, "y": 80, "label": 1}]},
        grading_apply={"exposure": 0.5},
    )
    assert list(data.steps) == ["mask_segment", "image_inpaint", "grading_apply"]
    found, inpainted, graded = (
        np.asarray(Image.open(io.BytesIO(media_studio.content(step))), int)
        for step in data.steps.values()
    )
    assert (found[thing] > 127).mean() > 0.98
    assert (found > 127).sum() < 1.2 * thing.sum()
    assert np.abs(inpainted[thing] - (255, 0, 255)).max(axis=-1).min() > 40
    assert (inpainted[200:] == pixels[200:]).all()
    assert graded.mean() > inpainted.mean() + 10


def test_what_is_not_built_says_what_it_lacks(media_studio: RunningStudio) -> None:
    for name, chain in declared_chains().items():
        if name not in chains():
            answer = media_studio.client.post(f"/api/pipelines/{name}", json={})
            error = problem_in(answer, 501, "not_built")
            assert chain.steps[0].name in error["message"]
