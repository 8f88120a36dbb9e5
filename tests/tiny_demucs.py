"""A random model of Demucs' real class, small enough for a test."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from demucs.htdemucs import HTDemucs
from safetensors.torch import save_file

SOURCES = ["drums", "bass", "other", "vocals"]
SMALL: dict[str, Any] = {
    "channels": 8, "depth": 3, "t_layers": 1, "t_heads": 2, "bottom_channels": 16, "nfft": 512,
    "segment": Fraction(11, 20),
}  # fmt: skip


def as_json(value: object) -> object:
    if isinstance(value, Fraction):
        return {"_type": "fraction", "numerator": value.numerator, "denominator": value.denominator}
    return value


def save_model(
    folder: Path, name: str, seed: int, *, klass: str = "demucs.htdemucs.HTDemucs"
) -> None:
    """Write a random model as the hub has it, and as upstream's local folders do."""
    torch.manual_seed(seed)
    model = HTDemucs(SOURCES, **SMALL)
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    about = {
        "klass": klass,
        "args": json.dumps([SOURCES]),
        "kwargs": json.dumps({key: as_json(value) for key, value in SMALL.items()}),
    }
    save_file(state, folder / f"{name}.safetensors", metadata=about)
    package = {"klass": HTDemucs, "args": [SOURCES], "kwargs": SMALL, "state": state}
    torch.save(package, folder / f"{name}.th")
