"""Matching a reference beside matchering, in one run.

Run: ``python -m bench.match_reference``. Writes ``bench/results/match_reference.json``. matchering
is installed into a virtual environment of its own, which goes afterwards, and is run there as a
program: nothing of it is imported here. ``MATCHERING_PYTHON`` names an interpreter that has it.
Both go from a WAV file to a 24-bit WAV file and aim at the reference's loudness; what they reached
is measured with the same meters, out of the timing.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from bench.master import RATE_HZ, programme
from bench.record import conditions, write_record
from studio_pipelines.media.audio_encoding import AudioEncoding
from studio_pipelines.media.equaliser import ToneControls
from studio_pipelines.media.loudness import measure
from studio_pipelines.media.mastering import master_file
from studio_pipelines.media.mastering_target import MasteringSettings, target_of
from studio_pipelines.media.minimum_phase_filter import MinimumPhaseFilter
from studio_pipelines.media.reference_match import measure_reference, spectral_distances_db
from studio_pipelines.media.shaping import Shaping
from studio_pipelines.media.spectrum import Spectra, Spectrum, third_octave_spectrum
from studio_pipelines.media.stereo_width import StereoImage, Width

MATCHERING = "matchering==2.0.6"
ROUNDS = 3
SCRIPT = """
import sys, time, matchering
started_s = time.perf_counter()
matchering.process(sys.argv[1], sys.argv[2], results=[matchering.pcm24(sys.argv[3])])
print(time.perf_counter() - started_s)
"""


def references() -> dict[str, np.ndarray]:
    """What to match: the later half of the music, toned, widened and louder; and quite other."""
    music = programme()
    later = music[len(music) // 2 :]
    stage = MinimumPhaseFilter(ToneControls(0.8, 3, -2).curve(), RATE_HZ, 2)
    toned = np.concatenate([stage.process(later), stage.finish()])
    rng = np.random.default_rng(5)
    bins = np.fft.rfft(rng.standard_normal((60 * RATE_HZ, 2)), axis=0)
    bins /= np.sqrt(np.maximum(np.arange(len(bins)), 1200))[:, None]
    pink = np.fft.irfft(bins, axis=0)
    return {
        "toned and widened music": Width(1.6).process(toned) * np.float32(1.5),
        "pink noise": (0.1 * pink / pink.std()).astype(np.float32),
    }


def spectrum(samples: np.ndarray) -> Spectrum:
    """Of samples in memory."""
    return third_octave_spectrum(np.array_split(samples, 1 + len(samples) // 65_536), RATE_HZ)


def figures_of(path: Path, before: np.ndarray, wanted: np.ndarray) -> dict[str, float]:
    """How near a file came."""
    heard = soundfile.read(path, dtype="float32")[0]
    found, aim = measure(heard, RATE_HZ), measure(wanted, RATE_HZ)
    spectra = Spectra(spectrum(before), spectrum(heard))
    before_db, after_db = spectral_distances_db(spectra, spectrum(wanted))
    images = [StereoImage(), StereoImage()]
    for image, samples in zip(images, (heard, wanted), strict=True):
        image.update(samples)
    return {
        "tone_distance_before_db": round(before_db, 2),
        "tone_distance_db": round(after_db, 2),
        "loudness_error_lu": round(found.integrated_lufs - aim.integrated_lufs, 2),
        "width_error_db": round(images[0].side_to_mid_db - images[1].side_to_mid_db, 2),
        "true_peak_db": round(found.true_peak_db, 2),
    }


def studio_s(target: Path, reference: Path, out: Path) -> float:
    """Master from file to file."""
    started_s = time.perf_counter()
    samples, wanted = (soundfile.read(path, dtype="float32")[0] for path in (target, reference))
    matched = measure_reference(wanted, RATE_HZ)
    goal = MasteringSettings(
        target_of(None, None, None, None, matched), shaping=Shaping(reference=matched)
    )
    master_file(samples, RATE_HZ, {}, goal, AudioEncoding("wav", 24), out)
    return time.perf_counter() - started_s


def matchering_python(folder: Path) -> Path:
    """An interpreter that has matchering."""
    if named := os.environ.get("MATCHERING_PYTHON"):
        return Path(named)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", MATCHERING], check=True)
    return python


def matchering_s(python: Path, target: Path, reference: Path, out: Path) -> float:
    """Let matchering do it; its imports are out of the timing."""
    ran = subprocess.run(
        [python, "-c", SCRIPT, target, reference, out],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(ran.stdout.splitlines()[-1])


def timed(
    run: Callable[[], float], out: Path, before: np.ndarray, wanted: np.ndarray
) -> dict[str, float]:
    """The median time of some rounds, and what the last one reached."""
    seconds = statistics.median(run() for _ in range(ROUNDS))
    return {"seconds": round(seconds, 2), **figures_of(out, before, wanted)}


def main() -> None:
    """Run and record."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = matchering_python(folder)
        music = programme()[: 90 * RATE_HZ]
        target, out = folder / "target.wav", folder / "out.wav"
        soundfile.write(target, music, RATE_HZ, "FLOAT")
        for kind, wanted in references().items():
            reference = folder / "reference.wav"
            soundfile.write(reference, wanted, RATE_HZ, "FLOAT")
            ways: dict[str, Callable[[], float]] = {
                "studio": partial(studio_s, target, reference, out),
                "matchering": partial(matchering_s, python, target, reference, out),
            }
            found = {way: timed(run, out, music, wanted) for way, run in ways.items()}
            for way, figures in found.items():
                ratio = round(figures["seconds"] / found["studio"]["seconds"], 2)
                rows.append({"reference": kind, "way": way, "ratio_to_studio": ratio, **figures})
                print(rows[-1])
    write_record("match_reference", {**conditions(), "audio_s": 90, "rows": rows})


if __name__ == "__main__":
    main()
