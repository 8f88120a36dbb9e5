"""Hostile files sent to the service: a result or a plain refusal each, and the service goes on."""

import io

import numpy as np
import pytest
import soundfile
from hostile_media import mutants
from running_studio import RunningStudio
from seed_media import KINDS, seed
from upload_trials import PROCESSES, send_all

pytestmark = pytest.mark.stack
CHANCE_SEED = 11


def damaged(kind: str) -> list[bytes]:
    """Return one file, after the forged ones that the decoder's own test sends too."""
    return list(mutants(kind, 12, CHANCE_SEED))[-1:]


def test_hostile_files_are_refused_in_plain_words_and_harm_nothing(
    media_studio: RunningStudio,
) -> None:
    workers = {name: media_studio.process(name).pid for name in PROCESSES}
    picture = media_studio.upload(seed("jpeg"))
    faults = [
        fault
        for kind in KINDS
        for fault in send_all(media_studio, kind, damaged(kind), picture).faults
    ]
    assert faults == []
    assert {name: media_studio.process(name).pid for name in PROCESSES} == workers
    assert send_all(media_studio, "jpeg", [seed("jpeg")], picture).counts == {"completed": 1}
    assert send_all(media_studio, "wav", [seed("wav")], picture).counts == {"completed": 1}


def test_a_deployments_own_limit_is_in_force_in_its_workers(media_studio: RunningStudio) -> None:
    too_long_s = int(media_studio.stack.settings.max_duration_s) + 1
    file = io.BytesIO()
    soundfile.write(file, np.zeros(too_long_s * 8000, np.int16), 8000, format="FLAC")
    answers = send_all(media_studio, "flac", [file.getvalue()], "")
    assert answers.counts == {"media_limit_exceeded": 1}
    assert answers.faults == []
