"""What is known of depth before a network is asked: what is low is near, a subject stands upright.

Photos mostly have the ground at their lower edge, and a subject is as near as the ground that it
stands on. A small network does better with a share of this: the share was chosen on rendered
scenes (``training/depth``), and is part of the model's declaration.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float32]
_SURE: Final = 0.5
_HIGHEST_FOOT: Final = 0.15


def ramp_with_subject(subject: _Floats) -> _Floats:
    """Return inverse depth that rises downward, flat over the subject.

    Args:
        subject: How surely each pixel belongs to it, 0 to 1, shape (height, width).

    Returns:
        0 (far) to 1, of the same shape.
    """
    height = subject.shape[0]
    ramp = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    rows = np.flatnonzero((subject > _SURE).any(axis=1))
    if not len(rows):
        return np.broadcast_to(ramp, subject.shape).copy()
    foot = np.float32(_HIGHEST_FOOT + (1 - _HIGHEST_FOOT) * (rows[-1] + 1) / height)
    return (ramp * (1 - subject) + foot * subject).astype(np.float32)


def blended(values: _Floats, prior: _Floats, weight: float) -> _Floats:
    """Return values with a share of the prior, both with middle 0 and mean deviation 1.

    Args:
        values: Relative inverse depth, shape (height, width).
        prior: Of the same shape.
        weight: Of the prior, where the values' is 1.
    """
    first, second = (_levelled(one) for one in (values, prior))
    return ((first + np.float32(weight) * second) / np.float32(1 + weight)).astype(np.float32)


def _levelled(values: _Floats) -> _Floats:
    centred = values - np.median(values)
    return centred / np.float32(max(float(np.abs(centred).mean()), 1e-6))
