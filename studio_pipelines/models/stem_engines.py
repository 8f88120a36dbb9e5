"""The ways to separate a song, by the engine that a model's declaration names."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio_pipelines.errors import InvalidParameter, UnusableModel
from studio_pipelines.media.separation import Separation

SPLEETER = "spleeter"
DEMUCS = "demucs"
# Transform frames without context, the largest first, for where memory does not suffice.
_SPLEETER_WINDOWS = (576, 320, 128)


@dataclass(frozen=True)
class Tuning:
    """What a request says of how Demucs is applied; None where it says nothing.

    Attributes:
        shifts: How many shifted estimates are averaged.
        overlap: Share of a segment that overlaps the next.
        segment: Length of a segment in seconds.
        seed: Of the shifts.
    """

    shifts: int | None = None
    overlap: float | None = None
    segment: float | None = None
    seed: int = 0


def window_sizes(engine: str, name: str, tuning: Tuning) -> tuple[int | None, ...]:
    """Give the sizes of windows to try, the largest first; None where the model has its own.

    Raises:
        UnusableModel: There is no such engine.
        InvalidParameter: Something is asked for that the engine does not have.
    """
    if engine not in (SPLEETER, DEMUCS):
        raise UnusableModel(
            f"{name} is declared for the engine {engine!r}", hint=f"Take {SPLEETER} or {DEMUCS}."
        )
    if engine == DEMUCS:
        return (None,)
    for field in ("shifts", "overlap", "segment"):
        if getattr(tuning, field) is not None:
            raise InvalidParameter(
                f"{name} has no {field}", field=field, hint="Leave it out: it is for Demucs."
            )
    return _SPLEETER_WINDOWS


def load(engine: str, name: str, folder: Path, options: Mapping[str, Any], device: str) -> Any:
    """Load a model.

    Args:
        engine: One that ``window_sizes`` admits.
        name: The model's name.
        folder: Its files.
        options: ``trust_pickle``: whether Demucs' checkpoints may run code when they are read.
        device: ``cpu``, or a CUDA device.

    Raises:
        UnusableModel: Its files cannot be loaded.
    """
    if engine == SPLEETER:
        from studio_pipelines.models.spleeter import load_spleeter

        return load_spleeter(folder / "vocals.ckpt", folder / "accompaniment.ckpt", device)
    from studio_pipelines.models.demucs_checkpoint import load_demucs

    return load_demucs(folder, name, trust_pickle=options.get("trust_pickle") is True).to(device)


def separation_by(engine: str, model: Any, tuning: Tuning, window_frames: int | None) -> Separation:
    """Make a loaded model ready to separate.

    Raises:
        InvalidParameter: The segment does not suit the model.
    """
    if engine == SPLEETER:
        from studio_pipelines.models.spleeter_separation import WINDOW_FRAMES, SpleeterSeparation

        return SpleeterSeparation(model, window_frames=window_frames or WINDOW_FRAMES)
    from studio_pipelines.models.demucs_separation import DemucsSeparation, DemucsSettings

    said = {"shifts": tuning.shifts, "overlap": tuning.overlap, "segment_s": tuning.segment}
    given: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    return DemucsSeparation(model, DemucsSettings(**given, seed=tuning.seed))
