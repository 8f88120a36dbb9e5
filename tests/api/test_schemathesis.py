"""The whole API by schemathesis: no fault of the server, no answer that the document does not have.

The studio is a real one with all of its workers. What is sent is made of the OpenAPI document, as
it should be and as it should not; `tests/schemathesis/schemathesis.toml` says what is expected.
"""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image
from running_studio import TESTS_DIR, RunningStudio, running_studio

from resources.api_keys import KeyRing
from studio_pipelines.access_database import open_access_database
from studio_pipelines.settings import load_settings

pytestmark = [pytest.mark.stack, pytest.mark.long]
FOLDER = TESTS_DIR / "schemathesis"
SAMPLES = TESTS_DIR.parent / "samples"


@pytest.fixture(scope="module")
def whole_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    """A studio with every operation; calls wait for a moment at most, and their jobs go on.

    It asks for keys: that nothing goes without one is among the checks.
    """
    settings = load_settings(
        data_dir=tmp_path_factory.mktemp("whole-studio"),
        sync_wait_s=0.2,
        require_keys=True,
        operation_packages=("studio_pipelines.operations", "twelfth_operation"),
        chain_modules=("studio_pipelines.chains", "copy_chains"),
    )
    with running_studio(settings, ("broker", "database", "worker", "api")) as running:
        engine = open_access_database(running.stack.settings)
        _, secret = KeyRing(engine).create("schemathesis", ("admin",), None)
        running.client.headers["Authorization"] = f"Bearer {secret}"
        yield running
        engine.dispose()


@pytest.fixture(scope="module")
def references(whole_studio: RunningStudio) -> str:
    """Media of each kind, as the hooks want them."""
    picture = io.BytesIO()
    with Image.open(SAMPLES / "tower.jpg") as tower:
        tower.resize((48, 32)).save(picture, "PNG")
    found = {
        "image": whole_studio.upload(picture.getvalue()),
        "lut": whole_studio.upload((SAMPLES / "warm_dusk.cube").read_bytes()),
        "audio": whole_studio.upload((SAMPLES / "music-bass.flac").read_bytes()),
    }
    return json.dumps(found)


def report_of(studio: RunningStudio, references: str, folder: Path, *options: str) -> str:
    """Run schemathesis and return its report; fail with it where it has found something."""
    command = [sys.executable, "-m", "schemathesis.cli", "--no-color"]
    command += ["--config-file", str(FOLDER / "schemathesis.toml")]
    key = f"Authorization: {studio.client.headers['Authorization']}"
    ran = subprocess.run(
        [*command, "run", f"{studio.stack.api_url}/openapi.json", *options, "--header", key],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(FOLDER),
            "STUDIO_TEST_REFERENCES": references,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-20_000:] + ran.stderr[-2_000:]
    assert "Selected: " in ran.stdout
    assert httpx.get(f"{studio.stack.api_url}/readyz").status_code == 200
    return ran.stdout


@pytest.mark.timeout(600)
def test_every_operation_with_a_few_requests(
    whole_studio: RunningStudio, references: str, tmp_path: Path
) -> None:
    phases = ("--phases", "examples,fuzzing,stateful", "--max-examples", "3")
    report = report_of(whole_studio, references, tmp_path, *phases)
    document = whole_studio.client.get("/openapi.json").json()
    known = sum(len(methods) for methods in document["paths"].values())
    assert f"Tested: {known}" in report


def test_the_limits_of_everything_but_the_operations(
    whole_studio: RunningStudio, references: str, tmp_path: Path
) -> None:
    # The operations' fields are many; a copy stands for them here, and the soak has them all.
    few = "/api/(jobs|assets|operations|pipelines$|workers|test)|z$"
    options = ("--phases", "coverage", "--include-path-regex", few)
    report_of(whole_studio, references, tmp_path, *options)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_every_operation_with_many_requests(
    whole_studio: RunningStudio, references: str, tmp_path: Path
) -> None:
    many = ("--max-examples", "60")
    report_of(whole_studio, references, tmp_path, "--phases", "examples,coverage,fuzzing", *many)
    # Of data that violates a schema, this phase draws files that it cannot compare ("Binary").
    sound = ("--phases", "stateful", "--mode", "positive")
    report_of(whole_studio, references, tmp_path, *sound, *many)
