"""Hostile files sent to the service: a result or a plain refusal each, and the service goes on."""

from collections.abc import Iterator

import pytest
from hostile_media import mutants
from running_studio import RunningStudio, running_studio
from seed_media import KINDS, seed
from upload_trials import PROCESSES, send_all

from studio_pipelines.settings import load_settings

pytestmark = pytest.mark.stack
CHANCE_SEED = 11


def damaged(kind: str) -> list[bytes]:
    """Return one file, after the forged ones that the decoder's own test sends too."""
    return list(mutants(kind, 12, CHANCE_SEED))[-1:]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    settings = load_settings(data_dir=tmp_path_factory.mktemp("hostile"), max_duration_s=600)
    with running_studio(settings, PROCESSES) as running:
        yield running


def test_hostile_files_are_refused_in_plain_words_and_harm_nothing(studio: RunningStudio) -> None:
    workers = {name: studio.process(name).pid for name in PROCESSES}
    picture = studio.upload(seed("jpeg"))
    faults = [
        fault for kind in KINDS for fault in send_all(studio, kind, damaged(kind), picture).faults
    ]
    assert faults == []
    assert {name: studio.process(name).pid for name in PROCESSES} == workers
    assert send_all(studio, "jpeg", [seed("jpeg")], picture).counts == {"completed": 1}
    assert send_all(studio, "wav", [seed("wav")], picture).counts == {"completed": 1}


def test_a_deployments_own_limit_is_in_force_in_its_workers(studio: RunningStudio) -> None:
    import io

    import numpy as np
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, np.zeros(601 * 8000, np.int16), 8000, format="FLAC")
    answers = send_all(studio, "flac", [file.getvalue()], "")
    assert answers.counts == {"media_limit_exceeded": 1}
    assert answers.faults == []
