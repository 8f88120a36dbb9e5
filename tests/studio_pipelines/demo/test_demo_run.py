"""The whole demo, as ``make demo`` runs it."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from studio_pipelines.demo.errands import ERRANDS


def run_demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "studio_pipelines.demo", *arguments],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def test_without_a_studio_it_fails_plainly(tmp_path: Path) -> None:
    run = run_demo("--url", "http://127.0.0.1:9", "--output", str(tmp_path))
    assert run.returncode == 1
    assert "The demo failed. No studio answers at http://127.0.0.1:9" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.long
@pytest.mark.stack
def test_it_shows_what_the_studio_can_do(tmp_path: Path) -> None:
    run = run_demo("--output", str(tmp_path))
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("/api/assets/ast_") == len(ERRANDS)
    assert run.stdout.count("✓ yes") == len(ERRANDS)
    for main_file in (
        "graded-tower/image.png",
        "mastered-for-streaming/master.flac",
        "removed-and-graded/image.png",
        "separated-and-mastered/master.flac",
        "composed/composite.png",
        "segmented/mask.png",
        "depth/png16.png",
    ):
        assert main_file in run.stdout
    assert (tmp_path / "separated-and-mastered" / "audio_demix" / "drums.wav").is_file()
    for worker in ("depth-estimator", "grading-engine", "audio-master", "mask-segmenter"):
        assert worker in run.stdout
    with Image.open(tmp_path / "contact-sheet.png") as sheet:
        assert sheet.width > 1000
        assert len(sheet.convert("RGB").getcolors(2**24) or ()) > 10_000
