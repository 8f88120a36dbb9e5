"""``docs/api.md`` says what works: each of its snippets is run, in order, as a reader would."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from running_studio import RunningStudio
from webhook_receiver import SECRET

from resources.model_clients import npm_command

pytestmark = pytest.mark.stack
ROOT = Path(__file__).resolve().parents[1]
GUIDE = (ROOT / "docs" / "api.md").read_text()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that looks like a checkout, as far as the guide goes, and may be written to."""
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    command = tmp_path / "bin" / "studio"
    command.parent.mkdir()
    command.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -c '
        '"from studio_pipelines.cli import main; main()" "$@"\n'
    )
    command.chmod(0o755)
    return tmp_path


def snippets(language: str) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, flags=re.DOTALL | re.MULTILINE)
    assert len(found) > 10
    return "\n".join(found)


def ran(studio: RunningStudio, checkout: Path, *command: str) -> str:
    path = os.pathsep.join((str(checkout / "bin"), os.environ["PATH"]))
    env = {
        **os.environ,
        "PATH": path,
        "PYTHONPATH": str(ROOT),
        "STUDIO_URL": studio.stack.api_url,
        "STUDIO_WEBHOOK_SECRET": SECRET,
    }
    done = subprocess.run(
        command, cwd=checkout, env=env, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def test_the_shell(media_studio: RunningStudio, checkout: Path) -> None:
    script = checkout / "guide.sh"
    script.write_text(f"set -euo pipefail\n{snippets('sh')}")
    said = ran(media_studio, checkout, "bash", str(script))
    assert '"code":"invalid_request"' in said
    assert '"cached":true' in said
    assert "event: completed" in said
    for made in ("graded.png", "out.png", "results/image.png"):
        assert (checkout / made).read_bytes().startswith(b"\x89PNG"), made


def test_python(media_studio: RunningStudio, checkout: Path) -> None:
    script = checkout / "guide.py"
    script.write_text(snippets("python"))
    said = ran(media_studio, checkout, sys.executable, str(script))
    assert "invalid_request exposure" in said
    assert "Apache-2.0" in said
    for made in ("graded.png", "graded-0.png", "graded-1.png"):
        assert (checkout / made).read_bytes().startswith(b"\x89PNG"), made


def test_javascript(media_studio: RunningStudio, checkout: Path) -> None:
    script = checkout / "guide.mjs"
    script.write_text(snippets("js"))
    bundled = Path(npm_command()[0]).with_name("node")
    said = ran(media_studio, checkout, str(bundled) if bundled.exists() else "node", str(script))
    assert "422 invalid_request exposure" in said
    assert "job.completed job_" in said
    assert (checkout / "graded.png").read_bytes().startswith(b"\x89PNG")
