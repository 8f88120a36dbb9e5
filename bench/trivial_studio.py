"""A studio for measurements: real processes, and beside the built operations a trivial one."""

import io
import os
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import httpx
from PIL import Image

from studio_pipelines.settings import Settings, load_settings
from studio_pipelines.stack import Stack, running_stack

LANE = "trivial"
ROUTE = "/api/trivial/keep"


def pixel_png(number: int = 0) -> bytes:
    """A PNG of one pixel; each number below 2²⁴ has a colour of its own."""
    file = io.BytesIO()
    Image.new("RGB", (1, 1), tuple(number.to_bytes(3))).save(file, "PNG")
    return file.getvalue()


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
        # Each is a new job, though all ask for the same.
        anew = {"Cache-Control": "no-cache"}
        self.http = httpx.Client(base_url=api_url, timeout=120, headers=anew)
        answer = self.http.post("/api/assets", content=pixel_png())
        answer.raise_for_status()
        self.image = f"asset:{answer.json()['id']}"

    def run(self) -> dict[str, object]:
        """Run one job to its end and return the answer."""
        answer = self.http.post(ROUTE, json={"image": self.image})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def times_ms(self, runs: int) -> list[float]:
        """How long each of some jobs takes, one after the other."""
        times: list[float] = []
        for _ in range(runs):
            began_s = time.perf_counter()
            self.run()
            times.append((time.perf_counter() - began_s) * 1e3)
        return times
