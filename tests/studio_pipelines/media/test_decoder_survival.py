"""What happens to the decoder and its helper when files, signals and owners misbehave."""

import contextlib
import io
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import psutil
import pytest
import soundfile
from PIL import Image

from studio_pipelines.errors import StudioError, UnusableMedia
from studio_pipelines.media.decoder import Decoder

RANDOM = np.random.default_rng(23)


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder() as decoder:
        yield decoder


def _picture(suffix: str, side: int = 64) -> bytes:
    file = io.BytesIO()
    pixels = RANDOM.integers(0, 255, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, suffix, **({"compress_level": 1} if suffix == "png" else {}))
    return file.getvalue()


def _sound(kind: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, RANDOM.uniform(-1, 1, (2000, 2)), 44_100, format=kind)
    return file.getvalue()


SMALL, LARGE = _picture("png"), _picture("png", 5000)


def _works(decoder: Decoder) -> bool:
    return decoder.picture(SMALL).pixels.shape == (64, 64, 3)


def _gone(pid: int, within_s: float = 5) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def _mutations(content: bytes, count: int) -> Iterator[bytes]:
    for _ in range(count):
        mutated = bytearray(content)
        for _ in range(int(RANDOM.integers(1, 12))):
            # Half of the damage goes to the header, where it confuses most.
            span = 64 if RANDOM.random() < 0.5 else len(mutated)
            mutated[int(RANDOM.integers(0, min(span, len(mutated))))] = int(RANDOM.integers(256))
        if RANDOM.random() < 0.2:
            mutated = mutated[: int(RANDOM.integers(1, len(mutated)))]
        yield bytes(mutated)


@pytest.mark.parametrize("suffix", ["png", "jpeg", "webp", "tiff"])
def test_mutated_pictures_are_decoded_or_refused(decoder: Decoder, suffix: str) -> None:
    for content in _mutations(_picture(suffix), 40):
        with contextlib.suppress(StudioError):
            decoder.picture(content)
    assert _works(decoder)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "AIFF", "OGG", "MP3"])
def test_mutated_sounds_are_decoded_or_refused(decoder: Decoder, kind: str) -> None:
    for content in _mutations(_sound(kind), 40):
        with contextlib.suppress(StudioError):
            decoder.audio(content)
    assert _works(decoder)


def _killed_in_the_middle(decoder: Decoder) -> int:
    """Kill the helper while it decodes; return its process id."""
    decoder.warm()
    pid = decoder.helper_pid
    assert pid is not None
    _signal_when_busy(pid, pid, signal.SIGKILL)
    decoder.picture(LARGE)
    return pid


def _signal_when_busy(helper: int, to: int, number: signal.Signals) -> None:
    """Send a signal as soon as the helper is in the middle of its work."""

    def used_s() -> float:
        times = psutil.Process(helper).cpu_times()
        return times.user + times.system

    def wait_and_send() -> None:
        while used_s() < begun_s + 0.1:
            time.sleep(0.005)
        os.kill(to, number)

    begun_s = used_s()
    threading.Thread(target=wait_and_send, daemon=True).start()


def test_a_fresh_helper_killed_in_the_middle_fails_that_request_only() -> None:
    with Decoder() as decoder:
        with pytest.raises(UnusableMedia, match="made the decoder stop"):
            _killed_in_the_middle(decoder)
        assert _works(decoder)


def test_a_used_helper_killed_in_the_middle_is_replaced_and_its_work_redone() -> None:
    with Decoder() as decoder:
        assert _works(decoder)
        pid = _killed_in_the_middle(decoder)
        assert decoder.helper_pid != pid


def test_a_helper_killed_between_requests_is_replaced_unnoticed(decoder: Decoder) -> None:
    for _ in range(3):
        assert _works(decoder)
        pid = decoder.helper_pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert _works(decoder)


def test_an_interrupt_leaves_the_decoder_usable(decoder: Decoder) -> None:
    decoder.warm()
    pid = decoder.helper_pid
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert pid is not None
        _signal_when_busy(pid, os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            decoder.picture(LARGE)
    finally:
        signal.signal(signal.SIGINT, previous)
    assert _gone(pid)
    assert _works(decoder)


def test_the_helper_ignores_interrupts(decoder: Decoder) -> None:
    decoder.warm()
    pid = decoder.helper_pid
    assert pid is not None
    os.kill(pid, signal.SIGINT)
    assert _works(decoder)
    assert decoder.helper_pid == pid


def test_the_helper_outlives_the_thread_that_started_it() -> None:
    with Decoder() as decoder:
        thread = threading.Thread(target=decoder.warm)
        thread.start()
        thread.join()
        pid = decoder.helper_pid
        time.sleep(0.2)
        assert _works(decoder)
        assert decoder.helper_pid == pid


def test_closing_leaves_neither_orphan_nor_zombie() -> None:
    decoder = Decoder()
    decoder.warm()
    pid = decoder.helper_pid
    assert pid is not None
    decoder.close()
    assert not psutil.pid_exists(pid)
    decoder.close()
    assert _works(decoder)
    decoder.close()


@pytest.mark.parametrize("busy", [False, True])
def test_the_helper_dies_with_its_owner(busy: bool) -> None:
    script = f"""
import sys, time
from studio_pipelines.media.decoder import Decoder
decoder = Decoder()
decoder.warm()
print(decoder.helper_pid, flush=True)
content = sys.stdin.buffer.read()
while {busy}:
    decoder.picture(content)
time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdin is not None
        pid = int(owner.stdout.readline())
        owner.stdin.write(LARGE)
        owner.stdin.close()
        time.sleep(0.3)
        owner.kill()
    assert _gone(pid)


def _in_daemonic_fork(work: Callable[[], bool]) -> bool:
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    child = context.Process(target=lambda: results.put(work()), daemon=True)
    child.start()
    child.join(30)
    assert child.exitcode == 0
    return results.get()


@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_a_forked_child_gets_a_helper_of_its_own(decoder: Decoder) -> None:
    decoder.warm()
    pid = decoder.helper_pid
    assert _in_daemonic_fork(lambda: _works(decoder) and decoder.helper_pid != pid)
    assert _works(decoder)
    assert decoder.helper_pid == pid
