"""Mastering beside what people use instead: FFmpeg's loudnorm and pyloudnorm, in the same run.

Run: ``python -m bench.master``. Writes ``bench/results/master.json``. The programme is three
minutes of synthetic music at 48 kHz in stereo, with the crest of a mix (about 16 dB); every way
starts from the samples in memory and ends with a 24-bit WAV file. What each of them reached is
measured with libebur128 afterwards, out of the timing.
"""

import gc
import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import numpy as np
import pyebur128
import pyloudnorm
import soundfile
from rich.console import Console
from rich.table import Table

from studio_pipelines.media.audio_encode import AudioEncoder
from studio_pipelines.media.audio_encoding import AudioEncoding
from studio_pipelines.media.loudness import measure
from studio_pipelines.media.mastering import master_file
from studio_pipelines.media.mastering_target import MasteringSettings, MasteringTarget

RESULTS = Path(__file__).parent / "results" / "master.json"
RATE_HZ = 48_000
DURATION_S = 180
ROUNDS = 3
BLOCK_FRAMES = 1 << 16
STREAMING = MasteringTarget(-14.0, -1.0)
BROADCAST = MasteringTarget(-23.0, -1.0)


@dataclass(frozen=True)
class Row:
    """One way of doing a task."""

    task: str
    way: str
    seconds: float
    times_real_time: float
    integrated_lufs: float | None = None
    true_peak_db: float | None = None
    ratio_to_studio: float = 1.0


def programme() -> np.ndarray:
    """Chords that swell, a bass drum and a bright snare, (frames, 2) float32."""
    rng = np.random.default_rng(1)
    time_s = np.arange(RATE_HZ * DURATION_S) / RATE_HZ
    beat_s = time_s % 0.5
    out = np.zeros((len(time_s), 2), np.float32)
    for channel in range(2):
        for k, root_hz in enumerate((110.0, 138.6, 164.8, 220.0, 329.6, 440.0)):
            swell = 0.6 + 0.4 * np.sin(2 * np.pi * (0.02 + 0.013 * k) * time_s + rng.random())
            phase = 2 * np.pi * root_hz * time_s + 6 * rng.random()
            out[:, channel] += swell * (np.sin(phase) + 0.3 * np.sin(3 * phase)) / (k + 1)
        hiss = rng.standard_normal(len(time_s), np.float32)
        out[:, channel] += 1.6 * hiss * np.exp(-((time_s + 0.25) % 0.5) / 0.03) + 0.05 * hiss
    drum = 3 * np.sin(2 * np.pi * 60 * beat_s) * np.exp(-beat_s / 0.09)
    out += drum.astype(np.float32)[:, None]
    level = 0.7 + 0.3 * np.sin(2 * np.pi * time_s / 60)
    return out * (0.12 * level).astype(np.float32)[:, None]


def blocks_of(samples: np.ndarray) -> Iterator[np.ndarray]:
    """Cut into blocks."""
    for start in range(0, len(samples), BLOCK_FRAMES):
        yield samples[start : start + BLOCK_FRAMES]


def write_wav24(path: Path, blocks: Iterable[np.ndarray]) -> None:
    """Encode as all ways here do."""
    with AudioEncoder(path, AudioEncoding("wav", 24), RATE_HZ, 2) as encoder:
        for block in blocks:
            encoder.write(block)


def loudnorm(samples: np.ndarray, options: str) -> Iterator[np.ndarray]:
    """Run FFmpeg's loudnorm in this process; it works at 192 kHz and is brought back to 48."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=RATE_HZ, format="flt", layout="stereo")
    chain = [
        source,
        graph.add("loudnorm", options),
        graph.add("aresample", str(RATE_HZ)),
        graph.add("aformat", "sample_fmts=flt"),
        graph.add("abuffersink"),
    ]
    for upper, lower in itertools.pairwise(chain):
        upper.link_to(lower)
    graph.configure()
    position = 0
    for block in [*blocks_of(samples), None]:
        if block is None:
            graph.push(None)
        else:
            frame = av.AudioFrame.from_ndarray(block.reshape(1, -1), "flt", "stereo")
            frame.sample_rate, frame.pts = RATE_HZ, position
            position += len(block)
            graph.push(frame)
        while True:
            try:
                yield graph.pull().to_ndarray().reshape(-1, 2)
            except (av.error.BlockingIOError, av.error.EOFError):
                break


def loudnorm_two_pass(samples: np.ndarray, target: MasteringTarget) -> Iterator[np.ndarray]:
    """Measure with loudnorm, then let it apply what it found, linear where it can."""
    goal = f"I={target.target_lufs}:TP={target.true_peak_db}:LRA=20"
    with tempfile.NamedTemporaryFile() as stats:
        for _ in loudnorm(samples, f"{goal}:print_format=json:stats_file={stats.name}"):
            pass
        gc.collect()  # the filter writes what it found when it goes
        found = json.load(stats)
    measured = (
        f"measured_I={found['input_i']}:measured_TP={found['input_tp']}"
        f":measured_LRA={found['input_lra']}:measured_thresh={found['input_thresh']}"
        f":offset={found['target_offset']}:linear=true"
    )
    yield from loudnorm(samples, f"{goal}:{measured}")


def pyloudnorm_normalised(samples: np.ndarray, target: MasteringTarget) -> np.ndarray:
    """Measure and apply the gain; nothing holds the peaks."""
    before = pyloudnorm.Meter(RATE_HZ, filter_class="DeMan").integrated_loudness(samples)
    return samples * np.float32(10 ** ((target.target_lufs - before) / 20))


def libebur128(samples: np.ndarray) -> tuple[float, float]:
    """Measure everything that the studio's meter measures; give loudness and true peak."""
    mode = pyebur128.MeasurementMode
    state = pyebur128.R128State(2, RATE_HZ, mode.MODE_I | mode.MODE_LRA | mode.MODE_TRUE_PEAK)
    for block in blocks_of(samples):
        state.add_frames(np.ascontiguousarray(block).reshape(-1), len(block))
    peak = max(pyebur128.get_true_peak(state, channel) for channel in range(2))
    return pyebur128.get_loudness_global(state), float(20 * np.log10(peak))


def medians_s(ways: list[Callable[[], object]]) -> list[float]:
    """The median time of each, after a warm-up, in turns: a busy machine is busy for all."""
    for work in ways:
        work()
    times: list[list[float]] = [[] for _ in ways]
    for _ in range(ROUNDS):
        for work, taken in zip(ways, times, strict=True):
            start = time.perf_counter()
            work()
            taken.append(time.perf_counter() - start)
    return [statistics.median(taken) for taken in times]


def measuring(samples: np.ndarray) -> list[Row]:
    """The meters."""
    ways: dict[str, Callable[[], object]] = {
        "studio": lambda: measure(samples, RATE_HZ),
        "libebur128": lambda: libebur128(samples),
        "pyloudnorm (integrated only)": lambda: pyloudnorm.Meter(
            RATE_HZ, filter_class="DeMan"
        ).integrated_loudness(samples),
    }
    return rows("measure", {name: (work, None) for name, work in ways.items()})


def mastering(samples: np.ndarray, folder: Path, target: MasteringTarget) -> list[Row]:
    """The ways to a master."""
    wav, encoding = folder / "a.wav", AudioEncoding("wav", 24)
    settings = MasteringSettings(target)
    goal = f"I={target.target_lufs}:TP={target.true_peak_db}:LRA=20"
    ways: dict[str, Callable[[], object]] = {
        "studio": lambda: master_file(samples, RATE_HZ, {}, settings, encoding, wav),
        "FFmpeg loudnorm, one pass": lambda: write_wav24(wav, loudnorm(samples, goal)),
        "FFmpeg loudnorm, two passes": lambda: write_wav24(wav, loudnorm_two_pass(samples, target)),
        "pyloudnorm, gain only": lambda: write_wav24(
            wav, blocks_of(pyloudnorm_normalised(samples, target))
        ),
    }
    task = f"master to {target.target_lufs:g} LUFS, {target.true_peak_db:g} dBTP"
    return rows(task, {name: (work, wav) for name, work in ways.items()})


def rows(task: str, ways: dict[str, tuple[Callable[[], object], Path | None]]) -> list[Row]:
    """Time the ways; the first is ours."""
    times_s = medians_s([work for work, _ in ways.values()])
    found: list[Row] = []
    for (name, (work, wav)), seconds in zip(ways.items(), times_s, strict=True):
        lufs, peak_db = None, None
        if wav:
            work()
            lufs, peak_db = libebur128(soundfile.read(wav, dtype="float32")[0])
        figures = (round(seconds, 3), round(DURATION_S / seconds, 1))
        reached = (lufs and round(lufs, 2), peak_db and round(peak_db, 2))
        found.append(Row(task, name, *figures, *reached, round(seconds / times_s[0], 2)))
    return found


def show(found: list[Row]) -> None:
    """Print the table."""
    table = Table("task", "way", "times real time", "LUFS", "dBTP", "time / studio")
    for row in found:
        reached = ["" if v is None else f"{v:.2f}" for v in (row.integrated_lufs, row.true_peak_db)]
        table.add_row(
            row.task, row.way, f"{row.times_real_time:.0f}", *reached, f"{row.ratio_to_studio:.2f}"
        )
    Console().print(table)


def main() -> None:
    """Run and record."""
    samples = programme()
    with tempfile.TemporaryDirectory() as folder:
        found = measuring(samples)
        found += mastering(samples, Path(folder), STREAMING)
        found += mastering(samples, Path(folder), BROADCAST)
    show(found)
    record = {
        "cores": os.cpu_count(),
        "audio_s": DURATION_S,
        "sample_rate_hz": RATE_HZ,
        "rows": [asdict(row) for row in found],
    }
    RESULTS.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
