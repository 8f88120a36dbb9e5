"""Pulls that are killed, interrupted, run at once or run out of disk: nothing broken remains."""

import os
import shutil
import signal
import subprocess
import time

import psutil
import pytest
from loopback_packages import Packages
from running_studio import eventually
from tiny_model import (
    MORE,
    WEIGHTS,
    command,
    declare,
    nothing_but_the_declaration,
    run,
    start,
    state,
)

from resources.model_folder import ModelState
from resources.model_pull import pull, verify
from resources.model_shelf import ModelShelf


def test_a_pulled_model_is_whole_and_the_next_pull_asks_nobody(
    tiny_shelf: ModelShelf, packages: Packages
) -> None:
    first = run(command("pull", "tiny"), tiny_shelf, packages)
    assert first.returncode == 0, first.stderr
    tiny = tiny_shelf.installed("tiny")
    assert tiny is not None
    assert tiny.path("w.bin").read_bytes() == WEIGHTS
    assert tiny.path("m.bin").read_bytes() == MORE
    assert tiny.lock.resolved == {"pypi:tiny-weights": "1.0"}
    assert sorted(path.name for path in tiny.folder.iterdir()) == [
        "m.bin",
        "model.lock.json",
        "w.bin",
    ]
    assert list((tiny_shelf.folder / ".scratch" / "tiny").iterdir()) == []
    served = list(packages.served)
    again = run(command("pull", "tiny"), tiny_shelf, packages)
    assert again.returncode == 0
    assert "on the disk already" in again.stdout
    assert packages.served == served


def test_a_killed_pull_leaves_no_process_and_the_next_one_clears_up(
    tiny_shelf: ModelShelf, packages: Packages
) -> None:
    packages.hold_after_bytes = 200_000
    process = start(tiny_shelf, packages)
    assert packages.held.wait(30)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []
    assert state(tiny_shelf) is ModelState.ABSENT
    left = [path for path in (tiny_shelf.folder / ".scratch" / "tiny").rglob("*") if path.is_file()]
    assert left, "the kill came too late to leave anything"
    packages.hold_after_bytes = None
    assert run(command("pull", "tiny"), tiny_shelf, packages).returncode == 0
    assert state(tiny_shelf) is ModelState.ON_DISK
    assert list((tiny_shelf.folder / ".scratch" / "tiny").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_pull_leaves_nothing(
    tiny_shelf: ModelShelf, packages: Packages, number: signal.Signals
) -> None:
    packages.hold_after_bytes = 200_000
    process = start(tiny_shelf, packages)
    assert packages.held.wait(30)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Interrupted" in said
    assert "Traceback" not in said
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []
    assert nothing_but_the_declaration(tiny_shelf)


def test_two_pulls_at_once_download_once(tiny_shelf: ModelShelf, packages: Packages) -> None:
    packages.hold_after_bytes = 200_000
    first = start(tiny_shelf, packages)
    assert packages.held.wait(30)
    second = start(tiny_shelf, packages)
    assert second.stdout is not None
    assert second.stdout.readline().strip() == "tiny: waiting"
    packages.release.set()
    for process in (first, second):
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    assert len(packages.served) == 1
    assert state(tiny_shelf) is ModelState.ON_DISK


@pytest.mark.parametrize("limit_kib", [300, 1020])
def test_a_disk_that_fills_up_meanwhile_is_told(
    tiny_shelf: ModelShelf, packages: Packages, limit_kib: int
) -> None:
    """The kernel refuses to write on: the client's file at 300 KiB, ours, joined, at 1020."""
    declare(tiny_shelf.folder, '{ path = "w.bin", from = ["tiny/w.bin", "tiny/more.bin"] }')
    if limit_kib > 1000:
        weights = tiny_shelf.folder.parent / "weights" / "tiny"
        weights.mkdir(parents=True)
        weights.joinpath("w.bin").write_bytes(WEIGHTS)
        weights.joinpath("more.bin").write_bytes(MORE)
        declare(
            tiny_shelf.folder,
            '{ path = "w.bin", from = ["tiny/w.bin", "tiny/more.bin"] }',
            source=f"folder:{weights.parent}",
        )
    limited = ["bash", "-c", f'ulimit -f {limit_kib}; exec "$@"', "-", *command("pull", "tiny")]
    answer = run(limited, tiny_shelf, packages)
    assert answer.returncode == 1
    assert "disk" in answer.stdout
    assert "Traceback" not in answer.stderr
    assert nothing_but_the_declaration(tiny_shelf)


@pytest.mark.skipif(
    subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "true"],
        capture_output=True,
        check=False,
    ).returncode
    != 0,
    reason="this system lets nobody mount a small disk of his own",
)
def test_a_small_disk_is_named_with_what_it_has(tiny_shelf: ModelShelf, packages: Packages) -> None:
    script = 'mount -t tmpfs -o size=1m tmpfs "$0" && cp "$1" "$0" && shift && exec "$@"'
    declared = tiny_shelf.folder.parent / "tiny.toml"
    shutil.copyfile(tiny_shelf.folder / "tiny.toml", declared)
    small = ["unshare", "--user", "--map-root-user", "--mount", "bash", "-c", script]
    words = [*small, str(tiny_shelf.folder), str(declared), *command("pull", "tiny")]
    answer = run(words, tiny_shelf, packages)
    assert answer.returncode == 1
    assert "bytes on the disk, and 1,04" in answer.stdout
    assert packages.served == []


def test_a_pull_killed_at_any_moment_leaves_the_model_whole_or_absent(
    tiny_shelf: ModelShelf, packages: Packages
) -> None:
    weights = tiny_shelf.folder.parent / "weights"
    weights.mkdir()
    for number in range(8):
        weights.joinpath(f"{number}.bin").write_bytes(WEIGHTS)
    parts = ", ".join(f'"{number}.bin"' for number in range(8))
    declare(
        tiny_shelf.folder,
        f'{{ path = "a.bin", from = [{parts}] }}, {{ path = "b.bin", from = [{parts}] }}',
        source=f"folder:{weights}",
    )
    declaration = tiny_shelf.declarations()["tiny"]
    seen: set[ModelState] = set()
    for attempt in range(40):
        shutil.rmtree(tiny_shelf.folder / "tiny", ignore_errors=True)
        child = os.fork()
        if child == 0:
            pull(tiny_shelf, declaration, lambda _step: None)
            os._exit(0)
        eventually((tiny_shelf.folder / ".scratch" / "tiny").is_dir)
        time.sleep(0.0015 * attempt)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        seen.add(state(tiny_shelf))
        if state(tiny_shelf) is ModelState.ON_DISK:
            assert verify(tiny_shelf, declaration) == ()
    assert seen <= {ModelState.ABSENT, ModelState.ON_DISK}
    assert ModelState.ABSENT in seen
    pull(tiny_shelf, declaration, lambda _step: None)
    assert verify(tiny_shelf, declaration) == ()
    assert list((tiny_shelf.folder / ".scratch" / "tiny").iterdir()) == []
