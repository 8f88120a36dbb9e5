"""The op that mixes stems anew, in a chain with an op that gives the sample song's."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
import soundfile

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from resources.progress import Progress
from studio_pipelines.chain import Chain, InnerOp, Step, Steps
from studio_pipelines.jobs import job_of_chain
from studio_pipelines.operation import (
    ModelIdentity,
    Operation,
    OperationResult,
    Parameters,
    studio_op,
)
from studio_pipelines.operations.audio_master import OPERATION as MASTER
from studio_pipelines.outcome import outcome_of
from studio_pipelines.steps.stem_mix import STEP

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
STEMS = ("bass", "drums", "lead", "other")


class SongTake(Parameters):
    """Nothing to choose."""


@studio_op(SongTake)
def song_take(
    _context: dg.OpExecutionContext,
    params: SongTake,
    audio: Artifact,
    artifacts: ArtifactStore,
) -> OperationResult:
    """Give the stems of the sample song, each with a picture, as a separation would."""
    kept: dict[str, Artifact] = {}
    with artifacts.scratch() as folder:
        for stem in STEMS:
            copy = folder / f"{stem}.flac"
            copy.write_bytes((SAMPLES / f"music-{stem}.flac").read_bytes())
            kept[stem] = artifacts.adopt(copy, media_type="audio/flac", filename=copy.name)
            (folder / stem).write_bytes(b"no sound")
            kept[f"{stem}Picture"] = artifacts.adopt(folder / stem, media_type="image/png")
    return OperationResult(kept, {}, {}, ModelIdentity("take", "1", "CC0-1.0", "samples"))


def take_mix(step: Steps) -> None:
    """Take a song's stems and mix them."""
    step["stem_mix"](stems=step["song_take"]())


TAKE = Operation(
    op=song_take,
    parameters=SongTake,
    route="/test/take",
    worker="song-taker",
    lane="test",
    accepts={"audio": MASTER.accepts["audio"]},
    returns=MASTER.returns,
)
CHAIN = Chain("take-mix", take_mix, (Step("song_take"), Step(STEP))).linked({"song_take": TAKE})


@pytest.fixture
def song(folder_store: ArtifactStore) -> str:
    with folder_store.new_writer() as writer:
        writer.write((SAMPLES / "music-mix.flac").read_bytes())
        return folder_store.keep(writer, media_type="audio/flac").id


def mixed(store: ArtifactStore, song: str, config: Mapping[str, Any]) -> dict[str, Any]:
    result = job_of_chain(CHAIN).execute_in_process(
        {"ops": {"song_take": {"inputs": {"audio": song}}, "stem_mix": {"config": config}}},
        resources={
            "artifacts": store,
            "progress": Progress(redis_url="redis://127.0.0.1:1/0"),
            "io_manager": dg.mem_io_manager,
        },
        raise_on_error=False,
    )
    outcome = outcome_of(result.all_events)
    assert outcome is not None
    return outcome


def samples_of(store: ArtifactStore, outcome: Mapping[str, Any]) -> np.ndarray:
    asset = store.get(outcome["data"]["assets"]["mix"]["id"])
    assert asset.media_type == "audio/wav"
    with store.local_path(asset) as path:
        return soundfile.read(path)[0]


def stem(name: str) -> np.ndarray:
    return soundfile.read(SAMPLES / f"music-{name}.flac")[0]


def test_without_gains_the_mix_is_the_sum(folder_store: ArtifactStore, song: str) -> None:
    outcome = mixed(folder_store, song, {})
    found, wanted = samples_of(folder_store, outcome), sum(stem(name) for name in STEMS)
    error = np.sqrt(np.mean((found - wanted) ** 2)) / np.sqrt(np.mean(wanted**2))
    assert 20 * math.log10(max(error, 1e-12)) <= -120
    data = outcome["data"]
    assert data["metrics"]["stems"] == 4
    assert data["metrics"]["audioSeconds"] == pytest.approx(len(wanted) / 44_100, abs=1.0)
    assert data["verification"]["passed"] is True
    assert data["verification"]["samplePeakDb"] == pytest.approx(
        20 * math.log10(np.abs(found).max()), abs=1e-3
    )


def test_gains_and_mutes(folder_store: ArtifactStore, song: str) -> None:
    config = {"gains": {"lead": 3.0, "bass": -6.0}, "mute": ["drums", "other"]}
    outcome = mixed(folder_store, song, config)
    wanted = stem("lead") * 10 ** (3 / 20) + stem("bass") * 10 ** (-6 / 20)
    assert np.abs(samples_of(folder_store, outcome) - wanted).max() < 1e-6
    assert outcome["data"]["metrics"]["stems"] == 2


@pytest.mark.parametrize(
    ("config", "field", "words"),
    [
        ({"gains": {"flute": 1.0}}, "stem_mix.gains", "no stem 'flute'"),
        ({"mute": ["leadPicture"]}, "stem_mix.mute", "no stem 'leadPicture'"),
        ({"mute": list(STEMS)}, "stem_mix.mute", "no stem is left"),
        ({"gains": {"lead": 25.0}}, "stem_mix.gains", "less than or equal to 24"),
    ],
)
def test_what_cannot_be_mixed_is_said(
    folder_store: ArtifactStore, song: str, config: dict[str, Any], field: str, words: str
) -> None:
    error = mixed(folder_store, song, config)["error"]
    assert (error["status"], error["code"], error["field"]) == (422, "invalid_parameter", field)
    assert words in error["message"]
    assert "no stem '" not in words or "bass, drums, lead, other" in error["hint"]


def test_it_is_an_op_of_the_chains_own() -> None:
    assert isinstance(STEP, InnerOp)
    assert STEP.name == "stem_mix"
