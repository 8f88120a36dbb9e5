"""Separation: how well, how fast and in how much memory, beside what people use instead.

Run: ``python -m bench.demix [--minutes 30]``. Writes ``bench/results/demix.json``.

* Quality: signal-to-distortion ratios of songs with a voice whose parts are known.
* Speed: the song, repeated to half an hour, in a process of its own, from a WAV file to FLAC files
  that were measured again; and the networks alone as upstream runs them, in windows with no
  overlap.
* Demucs: a small random HTDemucs applied by the studio and by ``demucs.api.Separator``.
"""

import argparse
import json
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from rich.console import Console

from bench.record import conditions, write_record

SAMPLES = Path(__file__).parents[1] / "samples"
RATE_HZ = 44_100
MEASURED_S = 60
DEMUCS_S = 20
ROUNDS = 3
SINGING = slice(10 * RATE_HZ, 22 * RATE_HZ)


def stem(name: str) -> np.ndarray:
    """A sample stem, (frames, 2) float32."""
    return soundfile.read(SAMPLES / f"music-{name}.flac", dtype="float32")[0]


def spleeter() -> Any:
    """The installed network."""
    from studio_pipelines.model_shelf import model_shelf
    from studio_pipelines.models.spleeter import load_spleeter
    from studio_pipelines.settings import load_settings

    model = model_shelf(load_settings()).choose("audio-demixer", "spleeter-2stems")
    return load_spleeter(model.path("vocals.ckpt"), model.path("accompaniment.ckpt"))


def ratio_db(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Signal-to-distortion ratio over the whole sound."""
    error = np.square(reference - estimate, dtype=np.float64).sum()
    return round(float(10 * np.log10(np.square(reference, dtype=np.float64).sum() / error)), 2)


def scale_invariant_db(reference: np.ndarray, estimate: np.ndarray) -> float:
    """The same with the estimate's best gain (Le Roux et al., SDR - half-baked or well done?)."""
    wide = reference.astype(np.float64)
    target = wide * (np.vdot(wide, estimate) / np.vdot(wide, wide))
    return ratio_db(target, estimate)


def quality(model: Any) -> list[dict[str, Any]]:
    """Separate the voice from accompaniments that are as loud, and 3 dB louder."""
    from studio_pipelines.media.sample_store import SoundInMemory
    from studio_pipelines.models.spleeter_separation import SpleeterSeparation

    rows: list[dict[str, Any]] = []
    sung = stem("voice")[SINGING]
    for parts in ("drums bass other", "drums bass other lead", "bass other", "drums bass"):
        band = np.sum([stem(part)[SINGING] for part in parts.split()], axis=0)
        even = np.sqrt(np.square(band).mean() / np.square(sung).mean())
        for voice_db in (0, -3):
            voice = (sung * even * 10 ** (voice_db / 20)).astype(np.float32)
            sound = SoundInMemory(voice + band)
            blocks = SpleeterSeparation(model).separate(sound, ("vocals",))
            found = np.concatenate([block["vocals"] for block in blocks])
            rest = voice + band - found
            rows.append(
                {
                    "accompaniment": parts,
                    "voice_over_it_db": voice_db,
                    "vocals_sdr_db": ratio_db(voice, found),
                    "vocals_si_sdr_db": scale_invariant_db(voice, found),
                    "accompaniment_sdr_db": ratio_db(band, rest),
                    "accompaniment_si_sdr_db": scale_invariant_db(band, rest),
                }
            )
    return rows


def song(seconds: float) -> np.ndarray:
    """The song with its voice, over and over."""
    once = stem("mix") + stem("voice")
    repeats = int(np.ceil(seconds * RATE_HZ / len(once)))
    return np.tile(once, (repeats, 1))[: round(seconds * RATE_HZ)]


def long_file(stems: int, minutes: int, results: Any) -> None:
    """Demix a long song; tell time and peak memory."""
    from studio_pipelines.media.audio_encode import AudioEncoding
    from studio_pipelines.media.decoder import Decoder
    from studio_pipelines.media.demixing import demix_file
    from studio_pipelines.media.separation import plan_stems
    from studio_pipelines.media.stem_files import DemixSettings
    from studio_pipelines.models.spleeter_separation import OFFER, SpleeterSeparation

    model = spleeter()
    with tempfile.TemporaryDirectory() as folder, Decoder() as decoder:
        source = Path(folder, "song.wav")
        with soundfile.SoundFile(source, "w", RATE_HZ, 2, "PCM_16") as file:
            for _ in range(minutes):
                file.write(song(60))
        before = resource.getrusage(resource.RUSAGE_SELF)
        started_s = time.perf_counter()
        clip = decoder.audio(source)
        demix = demix_file(
            clip,
            SpleeterSeparation(model),
            plan_stems(OFFER, stems, None),
            DemixSettings(AudioEncoding("flac")),
            Path(folder),
        )
        took_s = time.perf_counter() - started_s
        after = resource.getrusage(resource.RUSAGE_SELF)
    used_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    results.put(
        {
            "stems": stems,
            "audio_s": 60 * minutes,
            "seconds": round(took_s, 1),
            "times_real_time": round(60 * minutes / took_s, 2),
            "processor_s": round(used_s, 1),
            "estimated_times_real_time_on_two_free_cores": round(2 * 60 * minutes / used_s, 2),
            "peak_rss_mib": round(after.ru_maxrss / 1024),
            "residual_db": round(demix.residual_db, 1),
            "encoded_residual_db": round(demix.check.residual_db or 0, 1),
        }
    )


def in_its_own_process(stems: int, minutes: int) -> dict[str, Any]:
    """Run ``long_file`` where nothing else has been in memory."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=long_file, args=(stems, minutes, results))
    process.start()
    told = results.get()
    process.join()
    return told


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


def beside_whole_windows(model: Any) -> dict[str, Any]:
    """The overlapping windows beside the networks alone, on 512 frames each, with no overlap."""
    import torch

    from studio_pipelines.media.sample_store import SoundInMemory
    from studio_pipelines.models.spleeter_separation import SpleeterSeparation

    samples = song(MEASURED_S)
    window = torch.hann_window(4096)

    def upstream() -> None:
        wave = torch.from_numpy(np.ascontiguousarray(samples.T))
        spectrum = torch.stft(
            wave, 4096, 1024, window=window, pad_mode="constant", return_complex=True
        )
        frames = spectrum.shape[2]
        magnitude = spectrum[:, :1024].abs().transpose(1, 2)
        padded = torch.nn.functional.pad(magnitude, (0, 0, 0, -frames % 512))
        masks = [model.vocal_mask(part.contiguous()) for part in padded.split(512, dim=1)]
        mask = torch.cat(masks, dim=1)[:, :frames].transpose(1, 2)
        mask = torch.cat((mask, mask.mean(1, keepdim=True).expand(-1, 1025, -1)), dim=1)
        for part in (mask, 1 - mask):
            torch.istft(spectrum * part, 4096, 1024, window=window, length=len(samples))

    def studio() -> None:
        for _ in SpleeterSeparation(model).separate(SoundInMemory(samples), ("vocals",)):
            pass

    ours_s, theirs_s = medians_s([studio, upstream])
    return {
        "audio_s": MEASURED_S,
        "studio_s": round(ours_s, 2),
        "upstreams_windows_s": round(theirs_s, 2),
        "time_over_studio": round(theirs_s / ours_s, 2),
    }


def beside_demucs() -> dict[str, Any]:
    """One small random model, as the studio and as ``demucs.api`` apply it."""
    import demucs.api
    import demucs.apply
    import torch
    from demucs.htdemucs import HTDemucs

    from studio_pipelines.media.sample_store import SoundInMemory
    from studio_pipelines.models.demucs_checkpoint import load_demucs
    from studio_pipelines.models.demucs_separation import DemucsSeparation, DemucsSettings

    sources = ["drums", "bass", "other", "vocals"]
    kwargs = {"channels": 8, "t_layers": 2, "segment": Fraction(39, 5)}
    samples = song(DEMUCS_S)
    with tempfile.TemporaryDirectory() as folder:
        torch.manual_seed(0)
        package = {"klass": HTDemucs, "args": [sources], "kwargs": kwargs}
        package["state"] = HTDemucs(sources, **kwargs).state_dict()
        torch.save(package, Path(folder, "small.th"))
        Path(folder, "bag.yaml").write_text(json.dumps({"models": ["small"]}))
        upstream = demucs.api.Separator("bag", repo=Path(folder), device="cpu", shifts=0)
        separation = DemucsSeparation(load_demucs(Path(folder), "bag"), DemucsSettings(shifts=0))
        wave = torch.from_numpy(np.ascontiguousarray(samples.T))
        expected = upstream.separate_tensor(wave)[1]
        found = list(separation.separate(SoundInMemory(samples), tuple(sources)))
        difference = max(
            float(np.abs(np.concatenate([b[name] for b in found]).T - expected[name].numpy()).max())
            for name in sources
        )

        def studio() -> None:
            for _ in separation.separate(SoundInMemory(samples), tuple(sources)):
                pass

        ours_s, theirs_s = medians_s([studio, lambda: upstream.separate_tensor(wave)])
    return {
        "audio_s": DEMUCS_S,
        "largest_difference": difference,
        "studio_s": round(ours_s, 2),
        "demucs_api_s": round(theirs_s, 2),
        "time_over_studio": round(theirs_s / ours_s, 2),
    }


def main(minutes: int = 30) -> None:
    """Run and record; what is measured is kept at once, for the long files take their time."""
    record: dict[str, Any] = {**conditions()}
    model = spleeter()
    sections: dict[str, Callable[[], Any]] = {
        "quality": lambda: quality(model),
        "beside_upstreams_windows": lambda: beside_whole_windows(model),
        "beside_demucs_api": beside_demucs,
        "long_file_2_stems": lambda: in_its_own_process(2, minutes),
        "long_file_4_stems": lambda: in_its_own_process(4, minutes),
    }
    for name, measure in sections.items():
        record[name] = measure()
        Console().print(name, record[name])
        write_record("demix", record)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=30)
    main(parser.parse_args().minutes)
