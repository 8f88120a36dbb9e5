"""``studio keys`` and ``studio audit``, on the database of a running studio."""

import json
import secrets
from pathlib import Path

import pytest
from click.testing import Result
from running_studio import RunningStudio
from typer.testing import CliRunner

from studio_pipelines.cli import app

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have only the options count, as for a person who has set nothing."""
    for name in ("STUDIO_DATABASE_URL", "STUDIO_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)


def studio_command(studio: RunningStudio, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--data-dir", str(studio.stack.data_dir)])


def test_a_key_is_made_shown_once_listed_and_revoked(studio: RunningStudio) -> None:
    name = f"demo {secrets.token_hex(4)}"
    made = studio_command(studio, "keys", "create", name, "--rate", "60", "--concurrent", "2")
    assert made.exit_code == 0, made.output
    secret = made.stdout.strip()
    assert secret.startswith("sk_")
    assert "not shown again" in made.stderr
    listed = studio_command(studio, "keys", "list").stdout
    (row,) = (line for line in listed.splitlines() if name in line)
    assert secret[:11] in row
    assert "60/min, 2 at once" in row
    assert secret not in listed

    again = studio_command(studio, "keys", "create", name)
    assert again.exit_code == 1
    assert "already" in again.stderr

    revoked = studio_command(studio, "keys", "revoke", secret[:11])
    assert revoked.exit_code == 0
    assert name in revoked.stdout
    assert name not in studio_command(studio, "keys", "list").stdout
    assert "revoked" in studio_command(studio, "keys", "list", "--all").stdout
    assert studio_command(studio, "keys", "revoke", name).exit_code == 1

    told = studio_command(studio, "audit", "--json", "--limit", "500").stdout
    entries = [json.loads(line) for line in told.splitlines()]
    ours = [one for one in entries if one["detail"].get("name") == name]
    assert [one["action"] for one in ours] == ["key.created", "key.revoked"]
    assert all(one["actor"].startswith("cli:") for one in ours)
    assert secret not in told
    shown = studio_command(studio, "audit", "--action", "key.revoked").stdout
    assert name in shown


def test_a_key_in_place_of_another_has_its_owner(studio: RunningStudio) -> None:
    name = f"old {secrets.token_hex(4)}"
    studio_command(studio, "keys", "create", name)
    options = ("--in-place-of", name, "--scope", "audio_master", "--expires-days", "30")
    assert studio_command(studio, "keys", "create", f"new {name}", *options).exit_code == 0
    listed = studio_command(studio, "keys", "list").stdout
    (row,) = (line for line in listed.splitlines() if f"new {name}" in line)
    assert " of key_" in row
    assert "valid until" in row


def test_an_unknown_scope_is_refused_with_those_that_there_are(studio: RunningStudio) -> None:
    refused = studio_command(studio, "keys", "create", "typo", "--scope", "audio_mater")
    assert refused.exit_code == 1
    assert "audio_master" in refused.stderr
    assert "demix-master" in refused.stderr


def test_what_is_done_without_keys_is_written_down_too(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    job_id = studio.copy(studio.upload(pixel_png)).json()["jobId"]
    told = studio_command(studio, "audit", "--subject", job_id, "--json").stdout
    entry = json.loads(told)
    assert (entry["actor"], entry["action"]) == ("local", "job.submitted")


def test_without_a_studio_it_says_what_to_do(tmp_path: Path) -> None:
    gone = CliRunner().invoke(app, ["keys", "list", "--data-dir", str(tmp_path / "none")])
    assert gone.exit_code == 1
    assert "start it" in gone.stderr
