"""The subject's own colours where the old background shines through it.

Two layers are estimated together on a picture of bounded size, with PyMatting: by the multi-level
method of Germer, Uelwer, Conrad and Harmeling, *Fast Multi-Level Foreground Estimation* (ICPR
2020), or the closed form of Levin et al. (2008). At full size each pixel's light is then explained
by both layers (:func:`~studio_pipelines.media.blend_kernels.uncover`). All of it happens in the
light that will be blended, so that laying the colours over the old background gives the picture.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pymatting  # pyright: ignore[reportMissingTypeStubs]
from numpy.typing import NDArray

from studio_pipelines.media.blend_kernels import take_spill, uncover
from studio_pipelines.media.coverage import FULL, Alpha, Codes
from studio_pipelines.media.interruptible import run_interruptibly
from studio_pipelines.media.layer import Layer, light_of
from studio_pipelines.media.resampling import resized, resized_shares
from studio_pipelines.media.thread_crew import ThreadCrew
from studio_pipelines.media.tone_curves import ToneCurves

Estimation = Literal["multilevel", "closedForm", "none"]

PIECE_PIXELS: Final = 1 << 19
_MOST_PIXELS: Final = {"multilevel": 1_000_000, "closedForm": 160_000}
_LEAST_CHROMA: Final = 0.02
_Floats = NDArray[np.float32]
_pymatting: Any = pymatting  # it has no types


@dataclass(frozen=True, eq=False)
class Colours:
    """What was found of the subject's colours.

    Attributes:
        codes: Of the picture's size; where alpha is full, the picture's own.
        key: Direction of the old background's hue around the subject, or None where it is grey.
    """

    codes: Codes
    key: _Floats | None


def foreground_colours(layer: Layer, alpha: Alpha, estimation: Estimation) -> Colours:
    """Estimate the subject's colours.

    Args:
        layer: The picture, with the curves of the light that is blended.
        alpha: Of its size.
        estimation: How; ``none`` keeps the picture's colours.
    """
    small = _small(layer, alpha, _MOST_PIXELS.get(estimation, 160_000))
    if estimation == "none" or not ((alpha > 0) & (alpha < FULL)).any():
        return Colours(layer.codes, hue_of(_outside(*small)))
    light, shares = small
    if estimation == "multilevel":
        both: Any = _pymatting.estimate_foreground_ml(light, shares, return_background=True)
    else:
        # A call that lasts, and cannot be told to stop: it is left to itself.
        both = run_interruptibly(
            lambda: _pymatting.estimate_foreground_cf(
                light.astype(np.float64), shares.astype(np.float64), return_background=True
            ),
            stop=lambda: None,
        )
    colours = np.concatenate(both, axis=-1).astype(np.float32)
    unsure = (shares > 0.02) & (shares < 0.98)
    behind = colours[..., 3:][unsure].mean(axis=0) if unsure.any() else _outside(light, shares)
    return Colours(_uncovered(layer, alpha, colours), hue_of(behind))


def _small(layer: Layer, alpha: Alpha, most_pixels: int) -> tuple[_Floats, _Floats]:
    """Return the light and the alpha of a picture of bounded size."""
    height, width = layer.size
    scale = min(1.0, (most_pixels / (height * width)) ** 0.5)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    shares = resized_shares(alpha, *size).astype(np.float32) / np.float32(FULL)
    return light_of(resized(layer, *size)), shares


def _outside(light: _Floats, shares: _Floats) -> Any:
    weight = 1 - shares[..., None]
    return (light * weight).sum(axis=(0, 1)) / max(float(weight.sum()), 1e-6)


def hue_of(light: Any) -> _Floats | None:
    """Return the direction of a light's hue: its length 1, its sum 0; None for grey."""
    values: NDArray[np.float64] = np.array(light, np.float64)
    chroma = values - values.mean()
    length = float(np.sqrt((chroma**2).sum()))
    return None if length < _LEAST_CHROMA else (chroma / length).astype(np.float32)


def _uncovered(layer: Layer, alpha: Alpha, colours: _Floats) -> Codes:
    height, width = layer.size
    out: Any = np.empty_like(layer.codes)
    scale = (colours.shape[0] / height, colours.shape[1] / width)
    curves = layer.curves

    def loop(start: int, stop: int) -> None:
        rows = slice(start, stop)
        uncover(
            layer.codes[rows], alpha[rows], colours, start, scale, curves.light, curves.starts,
            out[rows],
        )  # fmt: skip

    with ThreadCrew() as crew:
        crew.share(height, max(1, PIECE_PIXELS // width), loop)
    return out


def without_spill(
    codes: Codes, alpha: Alpha, key: _Floats, amount: float, curves: ToneCurves
) -> Codes:
    """Return colours with a key colour's spill taken out.

    Args:
        codes: Of the subject.
        alpha: Where nothing is seen, nothing is done.
        key: From :func:`hue_of`.
        amount: Share of the spill that is taken, 0 to 1.
        curves: The light of the codes.
    """
    out: Any = codes.copy()

    def loop(start: int, stop: int) -> None:
        rows = slice(start, stop)
        take_spill(out[rows], alpha[rows], key, amount, curves.light, curves.starts)

    with ThreadCrew() as crew:
        crew.share(len(out), max(1, PIECE_PIXELS // out.shape[1]), loop)
    return out
