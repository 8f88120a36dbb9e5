"""``studio run``, ``jobs``, ``job`` and ``cancel`` against a real studio."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from running_studio import RunningStudio, eventually
from typer.testing import CliRunner, Result

from studio_pipelines.cli import app
from studio_pipelines.client.operations import Runnable
from studio_pipelines.remote import options
from studio_pipelines.remote.screen import age_text

SCHEMA: dict[str, Any] = {
    "$defs": {"Cdl": {"type": "object", "properties": {"slope": {"type": "number"}}}},
    "properties": {
        "image": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        "targetLufs": {"type": "number", "minimum": -60, "maximum": 0, "default": -14},
        "auto": {"type": "boolean", "default": False},
        "format": {"enum": ["png", "webp"], "type": "string", "description": "Of the result."},
        "box": {"anyOf": [{"type": "array"}, {"type": "null"}], "default": None},
        "seed": {"anyOf": [{"type": "integer", "minimum": 0}, {"const": "random"}]},
        "cdl": {"anyOf": [{"$ref": "#/$defs/Cdl"}, {"type": "null"}]},
        "prompt": {"type": "string", "default": ""},
        "priority": {"type": "integer", "minimum": 0, "maximum": 9},
        "schedule": {
            "anyOf": [
                {"enum": ["now", "batch"], "type": "string"},
                {"type": "string", "format": "date-time"},
            ]
        },
        "async": {"type": "boolean"},
    },
    "required": ["image"],
}


def known(schema: dict[str, Any], *inputs: str) -> dict[str, options.Option]:
    runnable = Runnable("x", "/api/x/y", "Do.", inputs, schema, (), ("x",), built=True)
    return {one.flag: one for one in options.options_of(runnable)}


def test_options_are_read_off_the_schema() -> None:
    found = known(SCHEMA, "image")
    assert next(iter(found)) == "--image"
    assert list(found)[-2:] == ["--priority", "--schedule"]
    assert "--async" not in found
    assert found["--image"].required
    assert found["--image"].is_repeated
    assert found["--image"].metavar == "FILE|URL"
    assert found["--target-lufs"].help == "(-60 to 0; default: -14)"
    assert found["--auto"].is_switch
    assert found["--format"].metavar == "png|webp"
    assert found["--seed"].metavar == "INTEGER|random"
    assert found["--schedule"].metavar == "now|batch|TIME"
    assert found["--cdl"].help == "Fields: slope."
    assert found["--priority"].panel == options.JOB


@pytest.mark.parametrize(
    ("flag", "text", "value"),
    [
        ("--target-lufs", "-16.5", -16.5),
        ("--format", "webp", "webp"),
        ("--box", "1,2,3,4", [1, 2, 3, 4]),
        ("--box", "[1, 2]", [1, 2]),
        ("--seed", "7", 7),
        ("--seed", "random", "random"),
        ("--cdl", '{"slope": 1.1}', {"slope": 1.1}),
        ("--prompt", "12", "12"),
    ],
)
def test_values_are_read_by_their_schema(flag: str, text: str, value: object) -> None:
    assert known(SCHEMA, "image")[flag].value(text) == value


@pytest.mark.parametrize(
    ("flag", "text", "said"),
    [
        ("--target-lufs", "1", "-60 to 0"),
        ("--target-lufs", "loud", "a number"),
        ("--target-lufs", "true", "a number"),
        ("--format", "gif", "png, webp"),
        ("--box", "1", "a list"),
        ("--cdl", "warm", "a JSON object"),
    ],
)
def test_a_value_that_does_not_fit_is_told(flag: str, text: str, said: str) -> None:
    with pytest.raises(options.NotAValue, match=said):
        known(SCHEMA, "image")[flag].value(text)


def test_an_age_is_told_in_one_unit() -> None:
    assert [age_text(age_s) for age_s in (-1, 59, 60, 7200, 200_000)] == [
        *("0 s", "59 s", "1 min", "2 h", "2 d"),
    ]


def studio_says(studio: RunningStudio, *words: str) -> Result:
    env = {"STUDIO_URL": studio.stack.api_url, "COLUMNS": "140", "TERM": "dumb"}
    return CliRunner().invoke(app, words, env=env)


@pytest.fixture
def picture(tmp_path: Path, pixel_png: bytes) -> Path:
    path = tmp_path / "one.png"
    path.write_bytes(pixel_png + tmp_path.name.encode())
    return path


@pytest.mark.stack
def test_a_job_is_run_and_its_result_saved(
    studio: RunningStudio, picture: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "copy.png"
    words = ("--image", str(picture), "--seconds-taken", "0.5", "-o", str(out))
    ran = studio_says(studio, "run", "copy", *words)
    assert ran.exit_code == 0, ran.output
    assert out.read_bytes() == picture.read_bytes()
    assert str(out) in ran.stdout.replace("\n", "")
    assert "passed" in ran.stdout
    assert "file_copy: copy" in ran.stderr


@pytest.mark.stack
def test_all_results_go_into_a_folder(studio: RunningStudio, picture: Path, tmp_path: Path) -> None:
    folder = f"{tmp_path}/results/"
    pair = ("--image", str(picture), "--image", str(picture))
    refused = studio_says(studio, "run", "copy", *pair, "-o", str(tmp_path / "x.png"))
    assert refused.exit_code == 2
    told = " ".join(refused.stderr.replace("│", " ").split())
    assert "name a folder" in told
    ran = studio_says(studio, "run", "file-copier", *pair, "-o", folder)
    assert ran.exit_code == 0, ran.output
    made = sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*.png"))
    assert made == ["1/copy.png", "2/copy.png"]


@pytest.mark.stack
def test_a_chain_has_its_steps_options(studio: RunningStudio, picture: Path) -> None:
    words = ("--image", str(picture), "--again.seconds-taken", "0.3", "--json")
    ran = studio_says(studio, "run", "copy-twice", *words)
    assert ran.exit_code == 0, ran.output
    job = json.loads(ran.stdout)
    assert job["data"]["steps"]["again"]["timings"]["runMs"] >= 300
    recipe = studio.client.get(f"/api/jobs/{job['jobId']}/recipe").json()["recipe"]
    assert recipe["steps"]["again"]["parameters"]["secondsTaken"] == 0.3


@pytest.mark.stack
def test_help_shows_what_the_studio_has(studio: RunningStudio) -> None:
    listed = studio_says(studio, "run", "--help")
    assert listed.exit_code == 0
    assert "file_copy" in listed.stdout
    assert "demix-master" in listed.stdout
    shown = studio_says(studio, "run", "grading", "--help")
    assert shown.exit_code == 0, shown.output
    for told in ("--exposure", "-10 to 10", "--lut", "png|jpeg|webp|tiff|exr", "In stops."):
        assert told in shown.stdout


@pytest.mark.stack
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("run",), 0, "file_copy"),
        (("run", "--nothing"), 2, "Name an operation first"),
        (("run", "nothing"), 2, "There is no operation 'nothing'"),
        (("run", "audio"), 2, "could be audio_demix, audio_master, audio_tts"),
        (("run", "copy"), 2, "--image is missing"),
        (("run", "copy", "--image", "/no/such.png"), 2, "there is no file"),
        (("run", "copy", "--image", "asset:x", "--seconds-taken", "61"), 2, "0 to 60"),
        (("run", "copy", "--image", "asset:x", "--colour", "red"), 2, "--colour"),
        (("run", "copy", "--image", "asset:ast_0"), 1, "invalid_request"),
        (("run", "stabilize"), 1, "not_built"),
        (("job", "job_1"), 1, "job_not_found"),
        (("jobs", "--operation", "nothing"), 2, "no operation"),
        (("jobs", "--server", "http://127.0.0.1:9"), 3, "studio up"),
    ],
)
def test_what_is_wrong_is_told_with_a_code(
    studio: RunningStudio,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    monkeypatch.setattr("studio_pipelines.client.transport.FIRST_PAUSE_S", 0.01)
    ran = studio_says(studio, *words)
    assert ran.exit_code == code, ran.output
    assert said in ran.output.replace("\n", " ")


@pytest.mark.stack
def test_a_job_that_fails_ends_the_command_with_1(studio: RunningStudio, picture: Path) -> None:
    ran = studio_says(studio, "run", "copy", "--image", str(picture), "--refuse")
    assert ran.exit_code == 1
    assert "refused on request" in ran.stderr
    assert "Do not ask for it." in ran.stderr


@pytest.mark.stack
def test_a_quote_is_shown(studio: RunningStudio, picture: Path) -> None:
    ran = studio_says(studio, "run", "copy", "--image", str(picture), "--dry-run")
    assert ran.exit_code == 0, ran.output
    assert "Apache-2.0" in ran.stdout


@pytest.mark.stack
def test_nobody_waits_for_a_scheduled_job(
    studio: RunningStudio, picture: Path, tmp_path: Path
) -> None:
    ran = studio_says(studio, "run", "copy", "--image", str(picture), "--schedule", "batch")
    assert ran.exit_code == 0, ran.output
    job_id = ran.stdout.split()[0]
    assert "is scheduled for 20" in ran.stdout
    listed = studio_says(studio, "jobs", "--status", "scheduled")
    assert re.search(rf"{job_id} +file_copy +scheduled +\d+ s +for 20", listed.stdout)
    out = tmp_path / "made.png"
    looked = studio_says(studio, "job", job_id, "-o", str(out))
    assert looked.exit_code == 1
    assert "scheduled for" in looked.stdout
    assert "Nothing is saved: the job is scheduled." in looked.stderr
    assert studio_says(studio, "cancel", job_id).stdout.strip() == f"{job_id}: canceled"


@pytest.mark.stack
def test_what_a_job_made_is_saved_later_on(
    studio: RunningStudio, picture: Path, tmp_path: Path
) -> None:
    words = ("run", "copy", "--image", str(picture), "--no-wait")
    job_id = studio_says(studio, *words).stdout.strip()
    studio.job_once(job_id, "completed")
    out = tmp_path / "made.png"
    looked = studio_says(studio, "job", job_id, "-o", str(out))
    assert looked.exit_code == 0, looked.output
    assert str(out) in looked.stdout.replace("\n", "")
    assert out.read_bytes() == picture.read_bytes()


@pytest.mark.stack
def test_jobs_are_listed_looked_at_and_stopped(studio: RunningStudio, picture: Path) -> None:
    words = ("--image", str(picture), "--seconds-taken", "30", "--no-cache", "--no-wait")
    begun = studio_says(studio, "run", "copy", *words)
    job_id = begun.stdout.strip()
    listed = studio_says(studio, "jobs", "--operation", "copy", "--limit", "3")
    assert job_id in listed.stdout
    assert "processing" in listed.stdout or "queued" in listed.stdout or "starting" in listed.stdout
    assert studio_says(studio, "cancel", job_id).exit_code == 0
    eventually(lambda: "canceled" in studio_says(studio, "job", job_id).stdout)
    told = json.loads(studio_says(studio, "jobs", "--status", "canceled", "--json").stdout)
    assert told["jobs"][0]["jobId"] == job_id
    assert "already finished" in studio_says(studio, "cancel", job_id).stdout


@pytest.mark.stack
def test_whoever_interrupts_the_command_stops_the_job(studio: RunningStudio, picture: Path) -> None:
    words = ["run", "copy", "--image", str(picture), "--seconds-taken", "60"]
    command = [sys.executable, "-c", "from studio_pipelines.cli import main; main()", *words]
    env = {**os.environ, "STUDIO_URL": studio.stack.api_url}
    env["PYTHONPATH"] = str(Path(__file__).parents[2])
    process = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while "copy, " not in (line := process.stderr.readline()):
        assert line, "it ended before the job began"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    job_id = said[said.index("job_") :].split()[0]
    assert studio.job_once(job_id, "canceled", "completed")["status"] == "canceled"
