"""Thirty programmes that have little in common, from seeds: what a master has to cope with.

Each is made at its own rate and channels, with a length that scales from seconds (the tests) to
minutes (the soak).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Make = Callable[[np.random.Generator, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Recipe:
    """How one programme is made.

    Attributes:
        make: Takes a generator and the times in seconds; gives (frames,) or (frames, channels).
        rate_hz: Sample rate.
        channels: Channels; where ``make`` gives one series, each gets one of its own.
        layout: FFmpeg's name of the layout, or nothing.
        level_db: Peak level.
    """

    make: Make
    rate_hz: int = 48_000
    channels: int = 2
    layout: str = ""
    level_db: float = -6.0

    def samples(self, seconds: float, seed: int) -> np.ndarray:
        """Make it, (frames, channels) float32."""
        rng = np.random.default_rng(seed)
        time_s = np.arange(round(seconds * self.rate_hz)) / self.rate_hz
        made = self.make(rng, time_s)
        if made.ndim == 1:
            rest = [self.make(rng, time_s) for _ in range(self.channels - 1)]
            made = np.stack([made, *rest], axis=1)
        return (10 ** (self.level_db / 20) * made / np.abs(made).max()).astype(np.float32)


def white(rng: np.random.Generator, time_s: np.ndarray) -> np.ndarray:
    return rng.standard_normal(len(time_s))


def tilted(exponent: float) -> Make:
    def make(rng: np.random.Generator, time_s: np.ndarray) -> np.ndarray:
        bins = np.fft.rfft(rng.standard_normal(len(time_s)))
        # Level below 20 Hz: what cannot be heard shall not be most of it.
        frequencies = np.fft.rfftfreq(len(time_s), time_s[1])
        return np.fft.irfft(bins * np.maximum(frequencies, 20.0) ** exponent, len(time_s))

    return make


pink, brown, violet = tilted(-0.5), tilted(-1.0), tilted(1.0)


def music(rng: np.random.Generator, time_s: np.ndarray) -> np.ndarray:
    beat_s = time_s % 0.5
    out = np.zeros((len(time_s), 2))
    for k, root_hz in enumerate((110.0, 138.6, 164.8, 220.0, 440.0)):
        swell = 0.6 + 0.4 * np.sin(2 * np.pi * (0.07 + 0.03 * k) * time_s + rng.random())
        for channel in range(2):
            phase = 2 * np.pi * root_hz * time_s + 6 * rng.random()
            out[:, channel] += swell * np.sin(phase) / (k + 1)
    out += 3 * (rng.standard_normal(out.shape) * np.exp(-beat_s / 0.01)[:, None])
    return out + (2.5 * np.sin(2 * np.pi * 55 * beat_s) * np.exp(-beat_s / 0.08))[:, None]


def dense(rng: np.random.Generator, time_s: np.ndarray) -> np.ndarray:
    return np.tanh(2 * music(rng, time_s) / 3)


def clipped(rng: np.random.Generator, time_s: np.ndarray) -> np.ndarray:
    return np.clip(1.5 * music(rng, time_s), -1, 1)


def speech(rng: np.random.Generator, time_s: np.ndarray) -> np.ndarray:
    noise = tilted(-0.7)(rng, time_s)
    voiced = np.sign(np.sin(2 * np.pi * (120 + 20 * np.sin(time_s)) * time_s))
    syllables = np.clip(np.sin(2 * np.pi * 3.7 * time_s), 0, 1) * (time_s % 3 < 2.4)
    return (noise / noise.std() + 0.3 * voiced) * syllables


def dialogue(rng: np.random.Generator, time_s: np.ndarray) -> np.ndarray:
    near = np.where(time_s % 8 < 4, 1.0, 0.15)
    return speech(rng, time_s) * near


def clicks(rng: np.random.Generator, time_s: np.ndarray) -> np.ndarray:
    out = np.zeros(len(time_s))
    step = round(0.31 / time_s[1])
    out[:: step or 1] = rng.uniform(0.3, 1, len(out[:: step or 1]))
    return out


def bursts(rng: np.random.Generator, time_s: np.ndarray) -> np.ndarray:
    return rng.standard_normal(len(time_s)) * np.exp(-(time_s % 0.7) / 0.02)


def sub_bass(_rng: np.random.Generator, time_s: np.ndarray) -> np.ndarray:
    return np.sin(2 * np.pi * 32 * time_s) * (0.6 + 0.4 * np.sin(2 * np.pi * 0.5 * time_s))


def tone(frequency_hz: float) -> Make:
    return lambda _rng, time_s: np.sin(2 * np.pi * frequency_hz * time_s)


def intermodulating(_rng: np.random.Generator, time_s: np.ndarray) -> np.ndarray:
    """A tone at a quarter of the rate whose true peak lies 3 dB above its samples."""
    return np.sin(np.pi / 2 * np.arange(len(time_s)) + np.pi / 4)


def sweep(_rng: np.random.Generator, time_s: np.ndarray) -> np.ndarray:
    whole_s, octaves = time_s[-1], np.log(400.0)
    return np.sin(2 * np.pi * 30 * whole_s / octaves * (np.exp(time_s / whole_s * octaves) - 1))


def orchestra(rng: np.random.Generator, time_s: np.ndarray) -> np.ndarray:
    """Very dynamic: from 45 dB down to full, in waves."""
    level_db = -22.5 + 22.5 * np.sin(2 * np.pi * time_s / max(12.0, time_s[-1] / 4))
    return pink(rng, time_s) * 10 ** (level_db / 20)


def fade(rng: np.random.Generator, time_s: np.ndarray) -> np.ndarray:
    return pink(rng, time_s) * 10 ** (-50 * time_s / time_s[-1] / 20)


def long_silence(rng: np.random.Generator, time_s: np.ndarray) -> np.ndarray:
    return pink(rng, time_s) * (np.abs(time_s - time_s[-1] / 2) < max(1.0, time_s[-1] / 20))


def one_sided(rng: np.random.Generator, time_s: np.ndarray) -> np.ndarray:
    sound = pink(rng, time_s)
    return np.stack([sound, np.zeros(len(sound))], axis=1)


def out_of_phase(rng: np.random.Generator, time_s: np.ndarray) -> np.ndarray:
    sound = pink(rng, time_s)
    return np.stack([sound, -sound], axis=1)


def offset(rng: np.random.Generator, time_s: np.ndarray) -> np.ndarray:
    return 0.3 * pink(rng, time_s) / 0.02 + 1.0


def surround(rng: np.random.Generator, time_s: np.ndarray) -> np.ndarray:
    front = music(rng, time_s)
    rear = [0.3 * pink(rng, time_s) for _ in range(2)]
    parts = [front[:, 0], front[:, 1], speech(rng, time_s), sub_bass(rng, time_s), *rear]
    return np.stack(parts, axis=1)


PROGRAMMES: dict[str, Recipe] = {
    "white noise": Recipe(white),
    "pink noise": Recipe(pink),
    "brown noise": Recipe(brown),
    "violet noise": Recipe(violet),
    "music": Recipe(music),
    "music at 44.1 kHz": Recipe(music, 44_100),
    "music at 96 kHz": Recipe(music, 96_000),
    "music at 192 kHz": Recipe(music, 192_000),
    "quiet music": Recipe(music, level_db=-45),
    "music far above full scale": Recipe(music, level_db=12),
    "dense music": Recipe(dense),
    "clipped music": Recipe(clipped, level_db=0),
    "speech": Recipe(speech, channels=1),
    "speech at 8 kHz": Recipe(speech, 8_000, 1),
    "speech at 16 kHz": Recipe(speech, 16_000, 1),
    "speech near and far": Recipe(dialogue, 22_050, 1),
    "sparse clicks": Recipe(clicks),
    "bursts": Recipe(bursts),
    "sub-bass": Recipe(sub_bass),
    "a tone": Recipe(tone(997.0)),
    "a high tone": Recipe(tone(15_000.0)),
    "peaks between samples": Recipe(intermodulating),
    "sweep": Recipe(sweep),
    "orchestra": Recipe(orchestra),
    "fade": Recipe(fade),
    "mostly silent": Recipe(long_silence),
    "one channel silent": Recipe(one_sided),
    "out of phase": Recipe(out_of_phase),
    "on a constant offset": Recipe(offset),
    "5.1": Recipe(surround, channels=6, layout="5.1"),
}
