"""Hostile files of each kind, many: through the decoder, and through the whole service."""

import time
from pathlib import Path
from typing import Any

import pytest
from decoding_trials import try_all
from hostile_media import mutants
from running_studio import running_studio
from seed_media import KINDS, seed
from upload_trials import PROCESSES, send_all

from bench.record import conditions, write_record
from studio_pipelines.media.decoder import Decoder
from studio_pipelines.media.limits import MediaLimits
from studio_pipelines.settings import load_settings

pytestmark = [pytest.mark.stack, pytest.mark.soak, pytest.mark.timeout(3600)]
FILES, FILES_SENT, CHANCE_SEED = 500, 20, 2026


def test_hostile_files_are_decoded_or_refused_and_the_service_goes_on(tmp_path: Path) -> None:
    record: dict[str, Any] = {**conditions(), "chance_seed": CHANCE_SEED}
    decoded, faults = through_the_decoder(tmp_path)
    sent, answers = through_the_service(tmp_path)
    record |= {"files_a_kind": FILES, "decoder": decoded}
    record |= {"files_a_kind_sent": FILES_SENT, "service": sent}
    write_record("fuzz", record)
    assert faults + answers == []


def through_the_decoder(kept: Path) -> tuple[dict[str, Any], list[str]]:
    """Have all files read; what breaks something is kept, for a test to be made of it."""
    rows: dict[str, Any] = {}
    faults: list[str] = []
    with Decoder(limits=MediaLimits(decode_timeout_s=20)) as decoder:
        for kind in KINDS:
            began_s = time.monotonic()
            outcomes = try_all(decoder, mutants(kind, FILES, CHANCE_SEED))
            rows[kind] = {
                **dict(sorted(outcomes.counts.items())),
                "helper_replaced": len(outcomes.crashes),
                "not_foreseen": len(outcomes.broken),
                "seconds": round(time.monotonic() - began_s, 1),
            }
            for number, (data, error) in enumerate(outcomes.broken):
                (kept / f"{kind}-{number}").write_bytes(data)
                faults.append(f"{kind}-{number}: {error!r}")
            for number, data in enumerate(outcomes.crashes):
                (kept / f"{kind}-crash-{number}").write_bytes(data)
        alive = try_all(decoder, [seed("png"), seed("wav"), seed("mp4")])
    assert alive.counts == {"decoded": 3}
    return rows, faults


def through_the_service(data_dir: Path) -> tuple[dict[str, Any], list[str]]:
    """Send some of each kind, after the forged ones, and see that nobody has died of them."""
    rows: dict[str, Any] = {}
    faults: list[str] = []
    with running_studio(load_settings(data_dir=data_dir / "studio"), PROCESSES) as studio:
        before = {name: studio.process(name).pid for name in PROCESSES}
        picture = studio.upload(seed("jpeg"))
        for kind in KINDS:
            files = list(mutants(kind, FILES_SENT, CHANCE_SEED + 1))
            answers = send_all(studio, kind, files, picture)
            rows[kind] = dict(sorted(answers.counts.items()))
            faults += answers.faults
        assert {name: studio.process(name).pid for name in PROCESSES} == before
        assert studio.client.get("/readyz").status_code == 200
        assert send_all(studio, "wav", [seed("wav")], picture).counts == {"completed": 1}
        assert send_all(studio, "mp4", [seed("mp4")], picture).counts == {"completed": 1}
    return rows, faults
