"""Compose and render the sample piece: four stems, the mix that is exactly their sum, and a voice.

The piece is this file: eight bars in A minor that grow from a lone electric piano to the full band.
Rendering needs the ``fluidsynth`` command and the FluidR3 General MIDI sound font:

    python samples/make_music.py /usr/share/sounds/sf2/FluidR3_GM.sf2
"""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile as sf

SAMPLES = Path(__file__).parent
SAMPLE_RATE_HZ = 44_100
BEATS_PER_MINUTE = 96
BEATS_PER_BAR = 4
BARS = 8
DURATION_S = 23.0
FADE_S = 1.2
MIX_PEAK_DBFS = -6.0
TICKS_PER_BEAT = 480
DRUM_CHANNEL = 9

KICK, SNARE, RIM, HAT, OPEN_HAT, CRASH, SHAKER = 36, 38, 37, 42, 46, 49, 70


class Note(NamedTuple):
    """A note: start and length in beats, MIDI pitch, velocity 1-127."""

    start: float
    length: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Part:
    """What one instrument plays: a General MIDI programme (from 0), pan 0-127, reverb 0-127."""

    programme: int
    pan: int
    reverb: int
    notes: list[Note]
    channel: int = 0


@dataclass(frozen=True)
class Stem:
    """A group of instruments: its balance in the mix, and whether both channels are the same."""

    balance_db: float
    parts: list[Part]
    centred: bool = False


# Am9, Fmaj9, Cmaj9, G6: root for the bass, and a close voicing for the keys.
CHORDS = [
    (33, (55, 59, 60, 64)),
    (29, (55, 57, 60, 64)),
    (36, (55, 59, 62, 64)),
    (31, (55, 57, 59, 62)),
]
# How strongly each bar is played: the piece grows, holds back for a bar, and opens up.
BAR_VELOCITY = (44, 50, 62, 72, 84, 92, 100, 108)


def bars(first: int, last: int) -> list[tuple[float, int, int, tuple[int, ...]]]:
    """Give start in beats, velocity, root and voicing of bars ``first`` to ``last`` (from 0)."""
    return [
        (bar * BEATS_PER_BAR, BAR_VELOCITY[bar], *CHORDS[bar % len(CHORDS)])
        for bar in range(first, last + 1)
    ]


def keys() -> list[Note]:
    """Electric piano: a rolled chord on one, a syncopated answer after three, and a last chord."""
    notes: list[Note] = []
    for start, velocity, _, voicing in bars(0, BARS - 1):
        for place, pitch in enumerate(voicing):
            notes.append(Note(start + 0.03 * place, 2.3, pitch, velocity))
            notes.append(Note(start + 2.5 + 0.02 * place, 1.2, pitch, velocity - 14))
        notes.append(Note(start + 1.5, 0.8, voicing[-1] + 12, velocity - 10))
    end = BARS * BEATS_PER_BAR
    return notes + [
        Note(end + 0.06 * place, 4, pitch, 70) for place, pitch in enumerate((45, 52, 55, 59, 64))
    ]


def pad() -> list[Note]:
    """Strings that enter with the band and hold each chord."""
    return [
        Note(start, 4.0, pitch, velocity - 30)
        for start, velocity, _, voicing in bars(2, BARS - 1)
        for pitch in voicing
    ]


def guitar() -> list[Note]:
    """Muted sixteenths over the chord, accented off the beat."""
    pattern = (0, 2, 1, 3, 2, 1, 3, 2)
    return [
        Note(start + 0.5 * step, 0.4, voicing[voice] + 12, velocity - (12 if step % 2 else 30))
        for start, velocity, _, voicing in bars(4, BARS - 1)
        for step, voice in enumerate(pattern)
    ]


def bass() -> list[Note]:
    """Root on one, a push into two and three, and an octave that leads on."""
    steps = (
        (0, 1.4, 0, 0),
        (1.5, 0.45, 0, -12),
        (2.0, 0.9, 0, -4),
        (3.0, 0.45, 12, -10),
        (3.5, 0.45, 7, -6),
    )
    notes = [
        Note(start + at, length, root + up, velocity + softer)
        for start, velocity, root, _ in bars(2, BARS - 1)
        for at, length, up, softer in steps
    ]
    return [*notes, Note(BARS * BEATS_PER_BAR, 4, 33, 84)]


def drums() -> list[Note]:
    """Shaker, then a rim click, then the kit; a fill opens the second half."""
    notes: list[Note] = []
    for start, velocity, *_ in bars(1, 3):
        notes += [
            Note(start + 0.5 * step, 0.2, SHAKER, velocity - (6 if step % 2 else 22))
            for step in range(8)
        ]
    for start, velocity, *_ in bars(2, 3):
        notes += [Note(start + at, 0.2, KICK, velocity) for at in (0, 2.5)]
        notes += [Note(start + at, 0.2, RIM, velocity - 8) for at in (1, 3)]
    notes += [Note(15 + 0.25 * step, 0.2, SNARE, 56 + 14 * step) for step in range(4)]
    for start, velocity, *_ in bars(4, BARS - 1):
        notes += [Note(start + at, 0.2, KICK, velocity + 6) for at in (0, 1.5, 2.5)]
        notes += [Note(start + at, 0.2, SNARE, velocity) for at in (1, 3)]
        notes += [
            Note(start + 0.5 * step, 0.2, HAT, velocity - (34 if step % 2 else 20))
            for step in range(7)
        ]
        notes.append(Note(start + 3.5, 0.4, OPEN_HAT, velocity - 24))
    end = BARS * BEATS_PER_BAR
    return [*notes, Note(16, 2, CRASH, 92), Note(end, 3, CRASH, 86), Note(end, 0.5, KICK, 104)]


def lead() -> list[Note]:
    """A flute melody over the second half, two phrases of two bars, and a long last note."""
    phrase = (
        (16.0, 0.9, 76), (17.0, 0.45, 74), (17.5, 0.45, 72), (18.0, 1.4, 71), (19.5, 0.45, 72),
        (20.0, 0.9, 69), (21.0, 0.45, 72), (21.5, 0.9, 76), (22.5, 1.4, 79),
        (24.0, 0.9, 83), (25.0, 0.45, 79), (25.5, 0.45, 76), (26.0, 0.9, 79), (27.0, 0.9, 74),
        (28.0, 0.9, 71), (29.0, 0.45, 74), (29.5, 0.45, 79), (30.0, 1.9, 74), (32.0, 3.6, 76),
    )  # fmt: skip
    return [
        Note(start, length, pitch, 84 + round((start - 16) * 1.6))
        for start, length, pitch in phrase
    ]


def voice() -> list[Note]:
    """A choir in unison over the second half, in a tenor's range, a phrase a bar."""
    phrase = (
        (16.0, 1.4, 60), (17.5, 0.45, 59), (18.0, 1.9, 57),
        (20.0, 1.4, 57), (21.5, 0.45, 55), (22.0, 1.9, 53),
        (24.0, 1.4, 55), (25.5, 0.45, 57), (26.0, 1.9, 59),
        (28.0, 1.4, 62), (29.5, 0.45, 60), (30.0, 1.9, 59), (32.0, 3.6, 57),
    )  # fmt: skip
    return [Note(start, length, pitch, 96) for start, length, pitch in phrase]


STEMS = {
    "drums": Stem(6.0, [Part(0, 64, 20, drums(), DRUM_CHANNEL)], centred=True),
    "bass": Stem(2.0, [Part(33, 64, 0, bass())], centred=True),
    "other": Stem(
        -2.5,
        [Part(4, 54, 40, keys(), 0), Part(48, 74, 60, pad(), 1), Part(28, 100, 30, guitar(), 2)],
    ),
    "lead": Stem(-2.0, [Part(73, 58, 55, lead())]),
}
# Not in the mix: laid over other stems it makes songs with a voice whose parts are known.
VOICE = Stem(0.0, [Part(52, 64, 30, voice())], centred=True)
VOICE_S = slice(10, 22)


def midi_file(parts: list[Part]) -> bytes:
    """Write parts as a standard MIDI file of one track (format 0)."""
    events: list[tuple[int, bytes]] = []
    for part in parts:
        setup = ((7, 110), (10, part.pan), (91, part.reverb))
        events.append((0, bytes((0xC0 | part.channel, part.programme))))
        events += [(0, bytes((0xB0 | part.channel, number, value))) for number, value in setup]
        for note in part.notes:
            for beat, status, velocity in (
                (note.start, 0x90, note.velocity),
                (note.start + note.length, 0x80, 0),
            ):
                message = bytes((status | part.channel, note.pitch, min(velocity, 127)))
                events.append((round(beat * TICKS_PER_BEAT), message))
    events.append((round(DURATION_S * BEATS_PER_MINUTE / 60 * TICKS_PER_BEAT), b"\xff\x2f\x00"))
    # At one tick, a note ends before the next begins: 0x8n sorts before 0x9n.
    events.sort(key=lambda event: (event[0], event[1][0] & 0xF0 == 0x90))
    microseconds = 60_000_000 // BEATS_PER_MINUTE
    track = b"\x00\xff\x51\x03" + microseconds.to_bytes(3, "big")
    previous = 0
    for tick, message in events:
        track += _variable_length(tick - previous) + message
        previous = tick
    head = b"MThd\x00\x00\x00\x06\x00\x00\x00\x01" + TICKS_PER_BEAT.to_bytes(2, "big")
    return head + b"MTrk" + len(track).to_bytes(4, "big") + track


def _variable_length(value: int) -> bytes:
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(0x80 | value & 0x7F)
    return bytes(reversed(groups))


def render(stem: Stem, sound_font: Path) -> np.ndarray:
    """Play a stem through the sound font: (frames, 2) float64, 1.0 is the renderer's full scale."""
    with tempfile.TemporaryDirectory() as folder:
        score, sound = Path(folder, "part.mid"), Path(folder, "part.wav")
        score.write_bytes(midi_file(stem.parts))
        subprocess.run(
            ["fluidsynth", "-ni", "-g", "0.5", "-r", str(SAMPLE_RATE_HZ), "-C", "0",
             "-o", "synth.reverb.level=0.5", "-o", "synth.reverb.room-size=0.6",
             "-T", "wav", "-O", "float", "-F", sound, sound_font, score],
            check=True, capture_output=True,
        )  # fmt: skip
        samples, _ = sf.read(sound, always_2d=True)
    frames = round(DURATION_S * SAMPLE_RATE_HZ)
    samples = np.pad(samples[:frames], ((0, max(0, frames - len(samples))), (0, 0)))
    fade_frames = round(FADE_S * SAMPLE_RATE_HZ)
    samples[-fade_frames:] *= np.cos(np.linspace(0, np.pi / 2, fade_frames))[:, None] ** 2
    if stem.centred:
        samples = np.repeat(samples.mean(axis=1, keepdims=True), 2, axis=1)
    return samples * 10 ** (stem.balance_db / 20)


def as_loud_as(band: np.ndarray, voice_samples: np.ndarray) -> np.ndarray:
    """Bring the voice to the band's root mean square while it sings, in whole 16-bit steps."""
    singing = slice(VOICE_S.start * SAMPLE_RATE_HZ, VOICE_S.stop * SAMPLE_RATE_HZ)
    level = np.square(band[singing].astype(float)).mean() / np.square(voice_samples[singing]).mean()
    return np.rint(voice_samples * np.sqrt(level)).astype(np.int32)


def main(sound_font: Path) -> None:
    """Write the stems, the mix and the voice as 16-bit FLAC."""
    stems = {name: render(stem, sound_font) for name, stem in STEMS.items()}
    scale = 10 ** (MIX_PEAK_DBFS / 20) * 32767 / np.abs(sum(stems.values())).max()
    # Rounding before adding makes the mix exactly the sum of the files.
    steps = {name: np.rint(stem * scale).astype(np.int32) for name, stem in stems.items()}
    steps["mix"] = sum(steps.values(), np.zeros_like(steps["bass"]))
    steps["voice"] = as_loud_as(steps["mix"] - steps["lead"], render(VOICE, sound_font))
    for name, samples in steps.items():
        sf.write(
            SAMPLES / f"music-{name}.flac", samples.astype(np.int16), SAMPLE_RATE_HZ, "PCM_16",
            compression_level=1.0,
        )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
