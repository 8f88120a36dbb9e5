"""A studio for measurements: real processes, and beside the built operations a trivial one."""

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import httpx

from studio_pipelines.settings import Settings, load_settings
from studio_pipelines.stack import Stack, running_stack

LANE = "trivial"
ROUTE = "/api/trivial/keep"
# The smallest PNG: one grey pixel.
PIXEL_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c636800000082008177cd72b60000000049454e44ae426082"
)


def bench_settings(data_dir: Path, **more: object) -> Settings:
    """The settings of a studio in a folder of its own that knows the trivial operation."""
    packages = ("studio_pipelines.operations", "bench.trivial_operation")
    return load_settings(data_dir=data_dir, operation_packages=packages, **more)


@contextmanager
def started(
    settings: Settings, only: Collection[str], extra_env: Mapping[str, str] | None = None
) -> Iterator[Stack]:
    """Run some processes of a stack, with variables of their own beside the settings."""
    with ExitStack() as closing:
        with patch.dict(os.environ, extra_env or {}):
            stack = closing.enter_context(running_stack(settings, only))
        yield stack


class TrivialClient:
    """Submits the trivial operation over HTTP, always on one stored file."""

    def __init__(self, api_url: str) -> None:
        self.http = httpx.Client(base_url=api_url, timeout=120)
        answer = self.http.post("/api/assets", content=PIXEL_PNG)
        answer.raise_for_status()
        self.image = f"asset:{answer.json()['id']}"

    def run(self) -> dict[str, object]:
        """Run one job to its end and return the answer."""
        answer = self.http.post(ROUTE, json={"image": self.image})
        assert answer.status_code == 200, answer.text
        return answer.json()
