"""What the demo asks of the studio, in the order in which it asks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
_WARM = {"lut": SAMPLES / "warm_dusk.cube", "intensity": 0.9}


@dataclass(frozen=True, eq=False)
class Errand:
    """One job.

    Attributes:
        title: What is done, in plain words.
        operation: The operation or chain.
        samples: The files that it works on, by field.
        fields: What else it is asked.
        folder: Where its results are saved, below the demo's folder.
        shows: The asset that is looked at; the main one by default.
    """

    title: str
    operation: str
    samples: Mapping[str, Path]
    folder: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    shows: str | None = None


SEPARATED = Errand(
    "Take the song apart, raise its drums, master it anew",
    "demix-master",
    {"audio": SAMPLES / "music-mix.flac"},
    "separated-and-mastered",
    {
        "audio_demix": {"stems": 4},
        "stem_mix": {"gains": {"drums": 3}},
        "audio_master": {"format": "flac"},
    },
    shows="audio_demix/drumsPicture",
)
COMPOSED = Errand(
    "Cut the astronaut out and put her before the tower",
    "vfx_composite",
    {"foreground": SAMPLES / "astronaut.jpg", "background": SAMPLES / "tower.jpg"},
    "composed",
    {"size": "background", "position": [0.72, 0.5], "lightWrap": 0.25, "outputs": ["composite"]},
)
MASTERED = Errand(
    "Master the song for streaming",
    "audio_master",
    {"audio": SAMPLES / "music-mix.flac"},
    "mastered-for-streaming",
    {"preset": "streaming", "format": "flac"},
    shows="loudness",
)
PICTURES = (
    Errand(
        "Grade the tower like a warm dusk",
        "grading_apply",
        {"image": SAMPLES / "tower.jpg"},
        "graded-tower",
        _WARM,
    ),
    Errand(
        "Take the island out of the lake, and grade",
        "inpaint-grade",
        {"image": SAMPLES / "tower.jpg"},
        "removed-and-graded",
        {"image_inpaint": {"box": [380, 222, 508, 248]}, "grading_apply": _WARM},
    ),
    Errand(
        "Grade a photo that lies on its side",
        "grading_apply",
        {"image": SAMPLES / "rocket-sideways.jpg"},
        "graded-rocket",
        _WARM,
    ),
    Errand(
        "Find what a click on the rocket means",
        "mask_segment",
        {"image": SAMPLES / "rocket-sideways.jpg"},
        "segmented",
        {"points": [{"x": 313, "y": 300}]},
        shows="preview",
    ),
    Errand(
        "Grade 16 bits in Display P3",
        "grading_apply",
        {"image": SAMPLES / "coffee-p3-16bit.png"},
        "graded-coffee",
        _WARM,
    ),
    Errand(
        "Tell how far everything is",
        "depth_estimate",
        {"image": SAMPLES / "tower.jpg"},
        "depth",
        shows="preview",
    ),
)
# The longest of each lane of workers first, while the other lane has work too.
ERRANDS = (SEPARATED, COMPOSED, MASTERED, *PICTURES)
