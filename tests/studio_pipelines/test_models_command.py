"""``studio models``: the table, what is pulled, and what is refused."""

import os
from pathlib import Path

import pytest
from tiny_model import declare
from typer.testing import CliRunner, Result

from studio_pipelines.cli import app
from studio_pipelines.model_screen import size_text


@pytest.fixture
def models_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models folder where a tiny model of a folder of the user's is declared."""
    folder = tmp_path / "models"
    folder.mkdir()
    weights = tmp_path / "weights"
    weights.mkdir()
    weights.joinpath("w.bin").write_bytes(b"weights")
    declare(folder, '{ path = "w.bin", from = "w.bin" }', source=f"folder:{weights}")
    monkeypatch.setenv("STUDIO_MODELS_DIR", str(folder))
    monkeypatch.setenv("STUDIO_LICENCE_POLICY", "commercial")
    return folder


def studio(*words: str) -> Result:
    return CliRunner().invoke(app, ["models", *words])


def row_of(name: str) -> str:
    listed = studio("list")
    assert listed.exit_code == 0, listed.output
    return next(line for line in listed.output.splitlines() if line.startswith(name))


@pytest.mark.usefixtures("models_dir")
def test_a_model_is_listed_pulled_verified_and_removed() -> None:
    assert row_of("tiny").split() == ["tiny", "1", "audio-demixer", "absent", "MIT"]
    assert studio("pull", "tiny").output.splitlines()[-1] == "tiny: 7 B on the disk"
    assert row_of("tiny").split() == ["tiny", "1", "audio-demixer", "7", "B", "on", "disk", "MIT"]
    assert studio("pull", "tiny").output.startswith("1 model is on the disk already")
    assert studio("verify", "tiny").output == "tiny: whole\n"
    assert studio("remove", "tiny").output == "tiny: removed\n"
    assert studio("remove", "tiny").output == "tiny: is not on the disk\n"
    assert "absent" in row_of("tiny")


def test_what_is_no_longer_declared_is_told_and_removed(models_dir: Path) -> None:
    studio("pull", "tiny")
    models_dir.joinpath("tiny.toml").unlink()
    assert "no longer declared: studio models remove --unused" in studio("list").output
    answer = studio("remove", "--unused")
    assert answer.output.startswith("tiny/1-")
    assert "no longer declared" not in studio("list").output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("pull",), "Name models to pull"),
        (("pull", "huge"), "There is no model 'huge'; there are:"),
        (("verify", "huge"), "There is no model 'huge'"),
        (("pull", "--for", "singing"), "There is no operation 'singing'"),
        (("remove", "../weights"), "../weights: is not on the disk"),
        (("remove",), "Name models to remove"),
    ],
)
@pytest.mark.usefixtures("models_dir")
def test_what_cannot_be_done_is_refused(words: tuple[str, ...], told: str) -> None:
    answer = studio(*words)
    assert told in answer.output
    assert answer.exit_code == (0 if words[-1] == "../weights" else 1)
    assert Path(os.environ["STUDIO_MODELS_DIR"]).parent.joinpath("weights", "w.bin").is_file()


def test_a_declaration_that_cannot_be_read_is_named(models_dir: Path) -> None:
    models_dir.joinpath("broken.toml").write_text("[[model]]\nname = 'x'\n")
    answer = studio("list")
    assert answer.exit_code == 1
    assert "broken.toml: version: Field required" in answer.output


def test_the_policy_is_told_and_kept(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declared = models_dir / "tiny.toml"
    declared.write_text(
        declared.read_text().replace("commercial_use = true", "commercial_use = false")
    )
    assert row_of("tiny").rstrip().endswith("MIT, refused by the policy")
    answer = studio("pull", "tiny")
    assert answer.exit_code == 1
    assert "allows no commercial use" in answer.output
    monkeypatch.setenv("STUDIO_LICENCE_POLICY", "research")
    assert studio("pull", "tiny").exit_code == 0


def test_sizes_are_for_people() -> None:
    assert [size_text(size) for size in (7, 4_600, 4_600_000, 118_083_710, 2_400_000_000)] == [
        "7 B",
        "5 kB",
        "4.6 MB",
        "118.1 MB",
        "2.4 GB",
    ]
