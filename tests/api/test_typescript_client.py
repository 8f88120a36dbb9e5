"""A TypeScript client is generated of the OpenAPI document and compiled, by the usual tools."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from api.app import create_app
from resources.model_clients import npm_command
from studio_pipelines.settings import load_settings

SOURCES = Path(__file__).parents[1] / "typescript_client"
# Not .d.ts: the compiler would have to check the libraries of its own with it.
SCHEMA = "studio.ts"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the tools that its lock file names, and the types of the document."""
    folder = tmp_path_factory.mktemp("typescript") / "project"
    shutil.copytree(SOURCES, folder)
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    subprocess.run([*npm_command(), "ci", *quiet], cwd=folder, check=True)
    document = create_app(load_settings(data_dir=folder)).openapi()
    (folder / "openapi.json").write_text(json.dumps(document))
    generate = tool(folder, "openapi-typescript/bin/cli.js", "openapi.json", "--output", SCHEMA)
    # A field with a default may be left out of a request; the tool has it in requests and answers.
    generated = generate("--default-non-nullable=false")
    assert generated.returncode == 0, generated.stdout + generated.stderr
    return folder


def tool(
    folder: Path, script: str, *arguments: str
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return how a tool of the project is run, by the Node.js that npm is of."""
    npm = npm_command()
    bundled = Path(npm[0]).with_name("node")
    node = str(bundled) if bundled.exists() else "node"

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        command = [node, str(folder / "node_modules" / script), *arguments, *more]
        return subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, env=dict(os.environ)
        )

    return run


def test_a_program_of_grading_jobs_and_errors_compiles(project: Path) -> None:
    compiled = tool(project, "typescript/bin/tsc", "--project", ".")()
    assert compiled.stdout == ""
    assert compiled.returncode == 0


def test_a_program_that_is_wrong_does_not(project: Path) -> None:
    program = project / "program.ts"
    sound = wrong = program.read_text()
    mistakes = {
        'format: "webp"': 'format: "gif"',
        "problem.error.hint": "problem.error.advice",
        "data.queuePosition": "data.place",
        "job.data?.verification.passed": "job.data?.verified",
        '"/api/jobs/{job_id}/cancel"': '"/api/jobs/{job_id}/end"',
    }
    for right, mistake in mistakes.items():
        assert right in wrong
        wrong = wrong.replace(right, mistake)
    program.write_text(wrong)
    compiled = tool(project, "typescript/bin/tsc", "--project", ".")()
    program.write_text(sound)
    assert compiled.returncode != 0
    for said in ("gif", "advice", "place", "verified", "/end"):
        assert said in compiled.stdout
