import io
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
import soundfile
from PIL import Image
from running_studio import RunningStudio, problem_in, uri
from tiny_demucs import save_model

from resources.artifacts import ArtifactStore
from resources.gpu import Gpu
from resources.model_pull import pull
from resources.model_shelf import ModelShelf
from resources.model_store import ModelStore
from resources.progress import Progress
from studio_pipelines.contract.jobs import JobData
from studio_pipelines.jobs import job_of
from studio_pipelines.op_records import RESULT_METADATA
from studio_pipelines.operations.audio_demix import OPERATION

pytestmark = pytest.mark.stack
ROUTE = "/api/audio/demix"
PCM_24_STEP = 2.0**-23


def wav_of(samples: np.ndarray, rate_hz: int = 44_100, subtype: str = "FLOAT") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, subtype, format="WAV")
    return file.getvalue()


def heard(studio: RunningStudio, data: JobData, name: str) -> tuple[np.ndarray, int]:
    content = studio.content(data.assets[name])
    return soundfile.read(io.BytesIO(content), dtype="float64", always_2d=True)


def excerpt(samples: Path, seconds: float, channels: int = 2) -> np.ndarray:
    song = soundfile.read(samples / "music-mix.flac", dtype="float64")[0]
    part = song[12 * 44_100 :][: round(seconds * 44_100)]
    return part[:, :channels]


def test_the_song_becomes_four_stems_that_are_the_song(
    media_studio: RunningStudio, samples: Path
) -> None:
    file = samples / "music-mix.flac"
    data = media_studio.made("audio_demix", audio=uri(file.read_bytes()), stems=4, format="flac")
    stems = ("vocals", "drums", "bass", "other")
    assert set(data.assets) == {*stems, *(f"{stem}Picture" for stem in stems)}
    assert data.url == data.assets["vocals"].url
    song, rate_hz = soundfile.read(file, dtype="float64")
    sounds = {stem: heard(media_studio, data, stem) for stem in stems}
    assert {rate for _, rate in sounds.values()} == {rate_hz}
    total = sum(sound for sound, _ in sounds.values())
    np.testing.assert_allclose(total, song, atol=4 * PCM_24_STEP)
    verification = data.verification
    assert verification["passed"] is True
    assert verification["residualDb"] <= -80
    assert verification["encodedResidualDb"] <= -80
    assert set(verification["stems"]) == set(stems)
    assert data.model.name == "spleeter-2stems"
    assert data.metrics["madeBy"]["vocals"] == "network"
    assert "mask" in data.metrics["madeBy"]["drums"]
    assert data.metrics["audioSeconds"] == pytest.approx(23)
    assert data.metrics["inferMs"] > 0
    for stem in stems:
        picture = media_studio.content(data.assets[f"{stem}Picture"])
        assert Image.open(io.BytesIO(picture)).size == (1200, 552)


def test_a_mask_brings_the_drums_out(media_studio: RunningStudio, samples: Path) -> None:
    data = media_studio.made(
        "audio_demix",
        audio=uri((samples / "music-mix.flac").read_bytes()),
        stems=["drums", "bass"],
        format="float32",
    )
    assert set(data.verification["stems"]) == {"drums", "bass"}
    assert data.url == data.assets["drums"].url
    assert data.verification["encodedResidualDb"] is None
    mix = soundfile.read(samples / "music-mix.flac")[0]
    for stem, gain_db in (("drums", 8), ("bass", 8)):
        truth = soundfile.read(samples / f"music-{stem}.flac")[0]
        found, _ = heard(media_studio, data, stem)
        before = np.square(truth).sum() / np.square(mix - truth).sum()
        after = np.square(truth).sum() / np.square(found - truth).sum()
        assert 10 * np.log10(after / before) >= gain_db


@pytest.mark.parametrize(
    ("rate_hz", "channels", "form", "rate_kept"),
    [
        (8_000, 1, "wav16", "keep"),
        (192_000, 2, "float32", "keep"),
        (48_000, 2, "mp3", "keep"),
        (48_000, 1, "float32", 44_100),
    ],
)
def test_rate_length_and_channels_are_kept(
    media_studio: RunningStudio,
    samples: Path,
    rate_hz: int,
    channels: int,
    form: str,
    rate_kept: str | int,
) -> None:
    song = excerpt(samples, 1.5, channels)[: rate_hz + 77]
    sent = uri(wav_of(song, rate_hz))
    data = media_studio.made("audio_demix", audio=sent, format=form, sampleRate=rate_kept)
    wanted_hz = rate_hz if rate_kept == "keep" else int(rate_kept)
    total = 0
    for stem in ("vocals", "accompaniment"):
        sound, rate = heard(media_studio, data, stem)
        assert rate == wanted_hz
        assert sound.shape[1] == channels
        assert len(sound) == pytest.approx(len(song) * wanted_hz / rate_hz, abs=0.5)
        total = total + sound
    assert data.verification["lengthKept"] is True
    if rate_kept == "keep":
        tolerance = {"wav16": 4 * 2.0**-15, "float32": 1e-6, "mp3": 0.1}[form]
        np.testing.assert_allclose(total, song, atol=tolerance)
    if wanted_hz > 44_100:
        assert any("up to 22050 Hz" in note for note in data.notes)


def test_tags_are_kept(media_studio: RunningStudio, samples: Path, tmp_path: Path) -> None:
    with soundfile.SoundFile(tmp_path / "a.flac", "w", 44_100, 2, "PCM_16") as file:
        file.title, file.artist = "Tides", "The Studio"
        file.write(excerpt(samples, 0.5))
    sent = uri((tmp_path / "a.flac").read_bytes())
    data = media_studio.made("audio_demix", audio=sent, twoStems="vocals", format="flac")
    assert set(data.assets) == {"vocals", "noVocals", "vocalsPicture", "noVocalsPicture"}
    content = media_studio.content(data.assets["noVocals"])
    with soundfile.SoundFile(io.BytesIO(content)) as stored:
        assert (stored.title, stored.artist) == ("Tides", "The Studio")


@pytest.mark.parametrize("channels", [6, 8])
def test_surround_is_mixed_to_stereo_and_that_is_told(
    media_studio: RunningStudio, samples: Path, channels: int
) -> None:
    song = np.zeros((22_050, channels))
    song[:, :2] = excerpt(samples, 0.5)
    song[:, 2] = song[:, 0]
    data = media_studio.made("audio_demix", audio=uri(wav_of(song)), format="float32")
    total = sum(heard(media_studio, data, stem)[0] for stem in ("vocals", "accompaniment"))
    np.testing.assert_allclose(total, song[:, :2] + 0.7071068 * song[:, 2:3], atol=1e-6)
    assert any("mixed to stereo" in note for note in data.notes)


def test_stems_beyond_full_scale(media_studio: RunningStudio, samples: Path) -> None:
    song = 4 * excerpt(samples, 1)
    sent = uri(wav_of(song))
    lowered = media_studio.made("audio_demix", audio=sent)
    gain = 10 ** (lowered.metrics["gainDb"] / 20)
    assert gain < 0.9
    assert lowered.metrics["clippedSamples"] == 0
    assert any("lowered by" in note for note in lowered.notes)
    total = sum(heard(media_studio, lowered, stem)[0] for stem in ("vocals", "accompaniment"))
    np.testing.assert_allclose(total, gain * song, rtol=1e-3, atol=1e-4)
    cut = media_studio.made("audio_demix", audio=sent, clipMode="clamp", format="float32")
    assert cut.metrics["clippedSamples"] > 0
    assert np.abs(heard(media_studio, cut, "accompaniment")[0]).max() == 1
    kept = media_studio.made("audio_demix", audio=sent, format="float32")
    assert kept.metrics["gainDb"] == 0
    assert np.abs(heard(media_studio, kept, "accompaniment")[0]).max() > 1
    assert kept.verification["passed"] is True


@pytest.mark.parametrize("level", [0.0, 0.25])
def test_silence_and_a_constant_have_an_answer(media_studio: RunningStudio, level: float) -> None:
    song = np.full((20_000, 2), level)
    data = media_studio.made("audio_demix", audio=uri(wav_of(song)), format="float32")
    assert data.verification["passed"] is True
    total = sum(heard(media_studio, data, stem)[0] for stem in ("vocals", "accompaniment"))
    np.testing.assert_allclose(total, song, atol=1e-6)
    assert data.verification["stems"]["vocals"]["integratedLufs"] is None
    is_told = any("silent" in note for note in data.notes)
    assert is_told == (level == 0)


GOOD = wav_of(np.zeros((4410, 2)), subtype="PCM_16")
BAD_SOUNDS = {
    "not a number": wav_of(np.where(np.arange(4410) == 100, np.nan, 0.1)),
    "cut off": GOOD[: len(GOOD) // 2],
    "of no length": wav_of(np.zeros((0, 2)), subtype="PCM_16"),
    "a rate too low": wav_of(np.zeros(4410), 4_000),
}


@pytest.mark.parametrize("name", BAD_SOUNDS)
def test_what_cannot_be_separated_is_refused(media_studio: RunningStudio, name: str) -> None:
    answer = media_studio.client.post(ROUTE, json={"audio": uri(BAD_SOUNDS[name])})
    assert problem_in(answer, 422, "unusable_media")["field"] == "audio"


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"model": "nobody"}, "unknown_model", "model"),
        ({"model": "htdemucs_6s"}, "model_not_installed", "model"),
        ({"stems": 3}, "invalid_parameter", "stems"),
        ({"stems": ["vocals", "guitar"]}, "invalid_parameter", "stems"),
        ({"twoStems": "piano"}, "invalid_parameter", "twoStems"),
        ({"shifts": 2}, "invalid_parameter", "shifts"),
        ({"format": "flac", "bitrate": 128}, "invalid_parameter", "bitrate"),
    ],
)
def test_wishes_that_cannot_be_met(
    media_studio: RunningStudio, fields: dict[str, Any], code: str, field: str
) -> None:
    answer = media_studio.client.post(ROUTE, json={"audio": uri(GOOD), **fields})
    error = problem_in(answer, 422, code)
    assert error["field"] == field
    assert error["hint"]


def test_a_demucs_of_ones_own(tmp_path: Path, samples: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    save_model(mine, "aaaa", 1)
    (mine / "mine.yaml").write_text("models: [aaaa]\n")
    declared = tmp_path / "declared"
    declared.mkdir()
    (declared / "mine.toml").write_text(
        '[[model]]\nname = "mine"\nversion = "1"\nlicence = "CC0-1.0"\ncommercial_use = true\n'
        f'serves = ["audio-demixer"]\nengine = "demucs"\nmemory_mib = 1\nsource = "folder:{mine}"\n'
        'files = [{ path = "mine.yaml", from = "mine.yaml" },'
        ' { path = "aaaa.safetensors", from = "aaaa.safetensors" }]\n'
    )
    shelf = ModelShelf(tmp_path / "models", (declared,))
    pull(shelf, shelf.declarations()["mine"], lambda _step: None)
    store = ArtifactStore(url=(tmp_path / "store").as_uri())
    (tmp_path / "in.wav").write_bytes(wav_of(excerpt(samples, 0.6)))
    sound = store.adopt(tmp_path / "in.wav", media_type="audio/wav")
    config = {"model": "mine", "overlap": 0.1, "seed": 3, "format": "float32"}
    ran = job_of(OPERATION).execute_in_process(
        run_config={"ops": {OPERATION.name: {"inputs": {"audio": sound.id}, "config": config}}},
        resources={
            "artifacts": store,
            "gpu": Gpu(preference="cpu"),
            "models": ModelStore(folder=str(shelf.folder), declared_in=[str(declared)]),
            "progress": Progress(redis_url="redis://127.0.0.1:1/0"),
            "io_manager": dg.mem_io_manager,
        },
    )
    made = ran.asset_materializations_for_node(OPERATION.name)[0]
    told: Any = made.metadata[RESULT_METADATA].value
    assert told["main"] == "drums"
    assert told["metrics"]["seed"] == 3
    assert told["verification"]["residualTargetDb"] is None
    assert set(told["verification"]["stems"]) == {"drums", "bass", "other", "vocals"}
    assert told["verification"]["lengthKept"] is True
    assert told["model"] == {
        "name": "mine",
        "version": "1",
        "licence": "CC0-1.0",
        "source": "folder",
    }
