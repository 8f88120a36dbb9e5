"""What the process that decodes can still do, once it is confined as it is for every file."""

import json
import logging
import os
import platform
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from studio_pipelines.media import decoder_child
from studio_pipelines.media.decoder import Decoder

CONFINED = """
import ctypes, fcntl, json, mmap, os, resource, signal, socket, sys, threading, time
from studio_pipelines.media.decoder_process import confine
from studio_pipelines.media.limits import MediaLimits
mine, other = socket.socketpair()
libc = ctypes.CDLL(None, use_errno=True)
secret = sys.argv[1]
walls = confine(os.getppid(), MediaLimits())

def call(number, *arguments):
    if libc.syscall(number, *(ctypes.c_long(each) for each in arguments)) < 0:
        raise OSError(ctypes.get_errno(), "refused")

def map_10_gib():
    mmap.mmap(-1, 10 << 30)

def write_10_gib():
    os.pwrite(os.memfd_create("bomb"), b"x", 10 << 30)

def open_many():
    for _ in range(100):
        os.dup(0)
"""
ATTEMPTS = {
    "read the accounts": 'open("/etc/shadow")',
    "read a file of the studio's": "open(secret)",
    "list the folder of the studio's": "os.listdir(os.path.dirname(secret))",
    "read another process's memory": 'open(f"/proc/{os.getppid()}/mem", "rb")',
    "read another process's variables": 'open(f"/proc/{os.getppid()}/environ")',
    "write a file": 'open("/tmp/made-by-a-decoder", "w")',
    "write a file by a descriptor's name": 'open("/proc/self/fd/1", "w")',
    "remove a file": "os.unlink(secret)",
    "open a connection": "socket.socket(socket.AF_INET, socket.SOCK_STREAM)",
    "send a datagram": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "open a local socket": "socket.socket(socket.AF_UNIX)",
    "run a program": 'os.execv("/bin/true", ["true"])',
    "start a process": "os.fork()",
    "start a process by the newer call": "call(435, 0, 0)",
    "signal its owner": "os.kill(os.getppid(), 0)",
    "signal a thread of its owner's": "call(234, os.getppid(), os.getppid(), 0)",
    "raise its limits": "resource.setrlimit(resource.RLIMIT_CPU, (1, resource.RLIM_INFINITY))",
    "be inspected again": "libc.prctl(4, 1, 0, 0, 0) and call(157, 4, 1, 0, 0, 0)",
    "look into another process": "call(101, 16, os.getppid(), 0, 0)",
    "type into its terminal": 'fcntl.ioctl(2, 0x5412, b"x")',
    "use the kernel's rings": "call(425, 8, 0)",
    "load a program into the kernel": "call(321, 0, 0, 0)",
    "make a namespace": "call(272, 0x10000000)",
    "take 10 GiB": "map_10_gib()",
    "write 10 GiB": "write_10_gib()",
    "open a hundred files": "open_many()",
}
STILL_DONE = """
threading.Thread(target=lambda: None).start()
os.listdir(os.path.dirname(json.__file__))
mine.sendall(b"x"), other.recv(1)
"""


def _run(body: str, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CONFINED + body, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.fixture(scope="module")
def let_through(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What came of each attempt: the error, or that there was none."""
    if platform.machine() != "x86_64":
        pytest.skip("the numbers of the calls are those of x86-64")
    secret = tmp_path_factory.mktemp("data") / "webhook.secret"
    secret.write_text("whsec_of_the_studio")
    tries = "".join(
        f"try:\n    {attempt}\n    found[{name!r}] = 'let through'\n"
        f"except (OSError, MemoryError, ValueError) as error:\n"
        f"    found[{name!r}] = type(error).__name__\n"
        for name, attempt in ATTEMPTS.items()
    )
    done = _run(f"{STILL_DONE}found = {{}}\n{tries}print(json.dumps([walls, found]))", str(secret))
    assert done.returncode == 0, done.stderr
    walls, found = json.loads(done.stdout)
    if not all(walls.values()):
        pytest.skip(f"this kernel lacks some of {walls}")
    return found


@pytest.mark.parametrize("name", ATTEMPTS)
def test_a_decoder_in_the_hands_of_a_file_cannot(let_through: dict[str, str], name: str) -> None:
    assert let_through[name] != "let through"


def test_a_decoder_that_loops_is_ended_by_the_kernel() -> None:
    def one_second() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (1, resource.RLIM_INFINITY))

    assert _run("while True: pass", "", preexec_fn=one_second).returncode == -signal.SIGXCPU


def test_the_helper_may_compute_only_for_as_long_as_it_is_waited_for(pixel_png: bytes) -> None:
    with Decoder() as decoder:
        decoder.picture(pixel_png)
        assert decoder.helper_pid is not None
        soft_s, _ = resource.prlimit(decoder.helper_pid, resource.RLIMIT_CPU)
    assert 0 < soft_s <= 10 + 121 * (os.cpu_count() or 1)


def test_the_helper_holds_its_connection_and_nothing_else_of_its_owners(
    tmp_path: Path, pixel_png: bytes
) -> None:
    secret = "a-secret-of-the-owner"
    os.environ["STUDIO_TEST_SECRET"] = secret
    kept = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(kept, True)
    try:
        with Decoder() as decoder:
            decoder.picture(pixel_png)
            pid = decoder.helper_pid
            assert secret not in Path(f"/proc/{pid}/environ").read_text()
            held = [str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()]
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except PermissionError:
        pytest.skip("only root may look into a process that is not to be inspected")
    finally:
        del os.environ["STUDIO_TEST_SECRET"]
        os.close(kept)
    assert not any(target.startswith(str(tmp_path)) for target in held)
    kinds = {target.partition(":")[0] for target in held}
    assert kinds <= {"/dev/null", "pipe", "socket", "/memfd"}
    status = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    assert status["NoNewPrivs"] == "1"
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0


def test_a_missing_wall_is_told(caplog: pytest.LogCaptureFixture) -> None:
    decoder_child._tell_missing_wall.cache_clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            decoder_child._tell_missing({"landlock": False, "seccomp": True})
    (told,) = caplog.messages
    assert "no landlock" in told
    assert "could read what its user can read" in told
