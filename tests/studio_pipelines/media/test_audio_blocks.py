"""Long programmes are walked through without staying in memory, and without being changed."""

import mmap
import os
from pathlib import Path

import numpy as np

from studio_pipelines.media.audio_blocks import BLOCK_FRAMES, blocks_of, scratch_copy
from studio_pipelines.media.carrier import Carrier

MIB = 1 << 20


def rss_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * mmap.PAGESIZE / MIB


def numbers(frames: int) -> np.ndarray:
    return np.arange(2 * frames, dtype=np.float32).reshape(-1, 2)


def test_blocks_are_the_programme_also_the_second_time(tmp_path: Path) -> None:
    samples = numbers(3 * BLOCK_FRAMES + 17)
    mapped = scratch_copy(np.array_split(samples, 5), 2, tmp_path)
    for programme in (samples, mapped, mapped[1000:-1], mapped[:, :1]):
        for _ in range(2):
            np.testing.assert_array_equal(np.concatenate(list(blocks_of(programme))), programme)


def test_changes_of_a_scratch_copy_last(tmp_path: Path) -> None:
    mapped = scratch_copy([numbers(2 * BLOCK_FRAMES)], 2, tmp_path)
    for block in blocks_of(mapped):
        np.multiply(block, 2, out=block)
    np.testing.assert_array_equal(mapped, 2 * numbers(2 * BLOCK_FRAMES))
    assert not list(tmp_path.iterdir())


def test_a_long_programme_does_not_stay_resident(tmp_path: Path) -> None:
    frames = 64 * MIB // 8
    with Carrier(expected_bytes=64 * MIB, in_memory_bytes=0, scratch_dir=tmp_path) as carrier:
        os.write(carrier.fd, numbers(frames).tobytes())
        samples = carrier.map((frames, 2), "float32")
    assert samples is not None
    before_mib = rss_mib()
    total = sum(float(block[0, 0]) for block in blocks_of(samples))  # type: ignore[arg-type]
    touched = [float(block.sum(dtype=np.float64)) for block in blocks_of(samples)]  # type: ignore[arg-type]
    assert total > 0
    assert sum(touched) == (2 * frames - 1) * frames
    assert rss_mib() - before_mib < 8


def test_progress_is_told_before_each_block() -> None:
    seen: list[float] = []
    list(blocks_of(numbers(4 * BLOCK_FRAMES), seen.append))
    assert seen == [0, 0.25, 0.5, 0.75]
