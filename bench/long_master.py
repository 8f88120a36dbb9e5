"""Half an hour and an hour of stereo through the whole operation: how fast, and in how much memory.

Run: ``python -m bench.long_master``. Writes ``bench/results/long_master.json``. Each master is made
in a process of its own, as a worker makes it: from the upload in the store to the assets, pictures
and report with it. Memory is the highest resident size of that process and of its decoder, each
with all that it has mapped, shared or not; decoded sound of this length lies in scratch files.
Speed is the job's, after the imports and compiled kernels that a worker has ready; on a machine
that others use, processor time tells more than the clock.
FFmpeg's loudnorm, two passes over samples read at once, is the peer.
"""

import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from bench.record import conditions, write_record

RATE_HZ = 48_000
MINUTES = (30, 60)
CHAINS: Mapping[str, Mapping[str, Any]] = {
    "loudness": {"target_lufs": -14.0},
    "every stage": {
        "target_lufs": -14.0,
        "eq": {"tilt": 0.3, "low": 1.0, "high": 1.0},
        "compress": 0.5,
        "width": 1.2,
        "lra": 6.0,
    },
    "every stage, mp3": {
        "target_lufs": -14.0,
        "eq": {"tilt": 0.3, "low": 1.0, "high": 1.0},
        "compress": 0.5,
        "width": 1.2,
        "lra": 6.0,
        "format": "mp3",
    },
}
PEER = "FFmpeg loudnorm, two passes"


def write_programme(path: Path, minutes: int) -> None:
    """Minutes of the other benchmark's music, louder and softer, as a 24-bit WAV."""
    from bench.master import programme

    loop = programme()[: 60 * RATE_HZ]
    with soundfile.SoundFile(path, "w", RATE_HZ, 2, "PCM_24", format="WAV") as file:
        for minute in range(minutes):
            file.write(loop * np.float32(10 ** (-6 * (1 + np.sin(minute / 3)) / 20)))


def measured(work: Callable[[], object]) -> dict[str, float]:
    """Run the job in this process; give its times, and its memory and its decoder's."""
    started_s, cpu_before_s = time.perf_counter(), cpu_s()
    work()
    seconds = time.perf_counter() - started_s
    decoders = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_s() - cpu_before_s, 1),
        "peak_rss_mib": round(peak_rss_mib(), 1),
        "decoder_peak_rss_mib": round(decoders / 1024, 1),
    }


def peak_rss_mib() -> float:
    """The highest resident size of this program; ``ru_maxrss`` also knows its parent's."""
    (line,) = (
        line
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM:")
    )
    return int(line.split()[1]) / 1024


def cpu_s() -> float:
    """Processor time of this process and of the helpers that have ended."""
    return sum(os.times()[:4])


def master(source: Path, chain: str) -> None:
    """Do one job as a worker does it, and print what it took."""
    import dagster as dg

    from resources.artifacts import ArtifactStore
    from resources.gpu import Gpu
    from resources.progress import Progress
    from studio_pipelines.jobs import job_of
    from studio_pipelines.operations.audio_master import OPERATION

    assert OPERATION.preload is not None
    assert OPERATION.warm_up is not None
    OPERATION.preload()
    OPERATION.warm_up()
    with tempfile.TemporaryDirectory(dir=source.parent) as folder:
        store = ArtifactStore(url=Path(folder).as_uri())
        copy = Path(folder) / "upload"
        copy.hardlink_to(source)
        given = {"audio": store.adopt(copy, media_type="audio/wav").id}
        found = measured(
            lambda: job_of(OPERATION).execute_in_process(
                run_config={
                    "ops": {OPERATION.name: {"inputs": given, "config": dict(CHAINS[chain])}},
                    "loggers": {"console": {"config": {"log_level": "ERROR"}}},
                },
                resources={
                    "artifacts": store,
                    "gpu": Gpu(preference="cpu"),
                    "progress": Progress(redis_url="redis://127.0.0.1:1/0"),
                    "io_manager": dg.mem_io_manager,
                },
            )
        )
    print(json.dumps(found))


def loudnorm(source: Path, _chain: str) -> None:
    """Let FFmpeg's filter do it, from file to file, and print what it took."""
    from bench.master import STREAMING, loudnorm_two_pass, write_wav24

    def work() -> None:
        heard = soundfile.read(source, dtype="float32")[0]
        write_wav24(source.with_suffix(".norm.wav"), loudnorm_two_pass(heard, STREAMING))

    print(json.dumps(measured(work)))


def in_a_process(way: str, source: Path, chain: str) -> dict[str, Any]:
    """Run ``master`` or ``loudnorm`` in a fresh interpreter."""
    arguments = [sys.executable, "-m", "bench.long_master", way, str(source), chain]
    ran = subprocess.run(arguments, capture_output=True, text=True, check=True)
    return json.loads(ran.stdout.splitlines()[-1])


def main() -> None:
    """Run and record."""
    if len(sys.argv) == 4:
        {"master": master, "loudnorm": loudnorm}[sys.argv[1]](Path(sys.argv[2]), sys.argv[3])
        return
    figures: dict[str, Any] = {**conditions(), "sample_rate_hz": RATE_HZ, "rows": []}
    with tempfile.TemporaryDirectory() as folder:
        for minutes, chain in itertools.product(MINUTES, (*CHAINS, PEER)):
            source = Path(folder) / f"{minutes}.wav"
            if not source.exists():
                write_programme(source, minutes)
            way = "loudnorm" if chain == PEER else "master"
            found = in_a_process(way, source, chain)
            speeds = {
                "times_real_time": round(60 * minutes / found["seconds"], 1),
                "times_real_time_of_cpu": round(60 * minutes / found["cpu_seconds"], 1),
            }
            row = {"minutes": minutes, "way": chain, **speeds, **found}
            figures["rows"].append(row)
            print(row)
    write_record("long_master", figures)


if __name__ == "__main__":
    main()
