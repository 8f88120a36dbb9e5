"""Loops over pixels that blend in light: code values in, code values out.

Code values are uint8 or uint16, shares of coverage ("alpha") uint16 with 65535 for 1. ``light`` and
``starts`` are a :class:`~studio_pipelines.media.tone_curves.ToneCurves`'. What is smooth comes at a
smaller size, and is read between its pixels.
"""

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

FULL: Final = 65535
_COARSE: Final = np.float32(4096)
_FULL_F: Final = np.float32(FULL)
_ZERO, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)
_Floats = NDArray[np.float32]
_Ints = NDArray[np.int32]


@njit(cache=True, nogil=True, error_model="numpy")
def code_of_light(value: np.float32, light: _Floats, starts: _Ints) -> np.float32:
    """Return the 16-bit code of a light, with its fraction, by one channel's table."""
    value = min(_ONE, max(_ZERO, value))
    step = np.int32(value * _COARSE)
    low = starts[step]
    high = min(np.int32(FULL), starts[step + 1] + np.int32(1))
    while high - low > 1:
        middle = (low + high) >> 1
        if light[middle] <= value:
            low = middle
        else:
            high = middle
    span = light[high] - light[low]
    if span <= _ZERO:
        return np.float32(low)
    return np.float32(low) + (value - light[low]) / span


@njit(cache=True, nogil=True, error_model="numpy")
def _stored(code: np.float32, is_byte: bool) -> int:
    """Round a 16-bit code to the depth of the picture."""
    if is_byte:
        return int(code / np.float32(257) + _HALF)
    return int(code + _HALF)


@njit(cache=True, nogil=True, error_model="numpy")
def bilinear(low: _Floats, y: float, x: float, channel: int) -> np.float32:
    """Read a smaller picture between its pixels, its edges continued."""
    height, width = low.shape[0], low.shape[1]
    y = min(max(y, 0.0), height - 1.0)
    x = min(max(x, 0.0), width - 1.0)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    fy, fx = np.float32(y - top), np.float32(x - left)
    above = low[top, left, channel] * (_ONE - fx) + low[top, right, channel] * fx
    below = low[bottom, left, channel] * (_ONE - fx) + low[bottom, right, channel] * fx
    return above * (_ONE - fy) + below * fy


@njit(cache=True, nogil=True, error_model="numpy")
def lay_over(
    fore: Any, alpha: Any, back: Any, light: _Floats, starts: _Ints, out: Any
) -> None:  # pragma: no cover - compiled
    """Lay rows of a foreground over a background: alpha times the one, the rest of the other.

    Where alpha is 0 or full, codes are copied as they are.
    """
    is_byte = out.itemsize == 1
    factor = 257 if is_byte else 1
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            share = alpha[y, x]
            if share == FULL:
                for c in range(3):
                    out[y, x, c] = fore[y, x, c]
            elif share == 0:
                for c in range(3):
                    out[y, x, c] = back[y, x, c]
            else:
                a = np.float32(share) / _FULL_F
                for c in range(3):
                    f = light[c, int(fore[y, x, c]) * factor]
                    b = light[c, int(back[y, x, c]) * factor]
                    mixed = a * f + (_ONE - a) * b
                    out[y, x, c] = _stored(code_of_light(mixed, light[c], starts[c]), is_byte)


@njit(cache=True, nogil=True, error_model="numpy")
def wrap_light(
    fore: Any, alpha: Any, glow: _Floats, top: int, scale: Any, light: _Floats, starts: _Ints
) -> None:  # pragma: no cover - compiled
    """Mix the background's soft light into rows of a foreground, in place.

    Args:
        fore: The rows, changed where alpha is above 0.
        alpha: Of the rows.
        glow: The soft light, and its share in the fourth channel, at a smaller size.
        top: Number of the first row.
        scale: Pixels of ``glow`` for one of the picture, down and across.
        light: Of the codes.
        starts: Of the codes.
    """
    is_byte = fore.itemsize == 1
    factor = 257 if is_byte else 1
    for y in range(fore.shape[0]):
        low_y = (top + y + 0.5) * scale[0] - 0.5
        for x in range(fore.shape[1]):
            if alpha[y, x] == 0:
                continue
            low_x = (x + 0.5) * scale[1] - 0.5
            share = bilinear(glow, low_y, low_x, 3)
            if share <= np.float32(1e-4):
                continue
            for c in range(3):
                own = light[c, int(fore[y, x, c]) * factor]
                mixed = own + share * (bilinear(glow, low_y, low_x, c) - own)
                fore[y, x, c] = _stored(code_of_light(mixed, light[c], starts[c]), is_byte)


@njit(cache=True, nogil=True, error_model="numpy")
def uncover(
    seen: Any, alpha: Any, colours: _Floats, top: int, scale: Any, light: _Floats, starts: _Ints,
    out: Any,
) -> None:  # fmt: skip  # pragma: no cover - compiled
    """Write the foreground's own colours, without what shines through.

    Estimates of both layers come at a smaller size. What they leave unexplained of the light seen
    is shared between them, by the least change of both: a step of the multi-level method of Germer
    et al. (2020) at the picture's own size.

    Args:
        seen: Rows of the picture.
        alpha: Of the rows.
        colours: Light of the foreground, then of the background: (height, width, 6).
        top: Number of the first row.
        scale: Pixels of ``colours`` for one of the picture, down and across.
        light: Of the codes.
        starts: Of the codes.
        out: The rows of the foreground.
    """
    is_byte = out.itemsize == 1
    factor = 257 if is_byte else 1
    for y in range(out.shape[0]):
        low_y = (top + y + 0.5) * scale[0] - 0.5
        for x in range(out.shape[1]):
            if alpha[y, x] == FULL:
                for c in range(3):
                    out[y, x, c] = seen[y, x, c]
                continue
            low_x = (x + 0.5) * scale[1] - 0.5
            a = np.float32(alpha[y, x]) / _FULL_F
            weight = a / (a * a + (_ONE - a) * (_ONE - a))
            for c in range(3):
                f = bilinear(colours, low_y, low_x, c)
                b = bilinear(colours, low_y, low_x, c + 3)
                left = light[c, int(seen[y, x, c]) * factor] - a * f - (_ONE - a) * b
                code = code_of_light(f + weight * left, light[c], starts[c])
                out[y, x, c] = _stored(code, is_byte)


@njit(cache=True, nogil=True, error_model="numpy")
def encode_light(
    values: _Floats, light: _Floats, starts: _Ints, out: Any
) -> None:  # pragma: no cover - compiled
    """Write light of shape (n, 3) as codes."""
    is_byte = out.itemsize == 1
    for k in range(out.shape[0]):
        for c in range(3):
            out[k, c] = _stored(code_of_light(values[k, c], light[c], starts[c]), is_byte)


@njit(cache=True, nogil=True, error_model="numpy")
def spill(r: float, g: float, b: float, key: _Floats) -> float:
    """Return how much of a key colour's hue lies on a light, beyond what the subject may have.

    Args:
        r: Light of red.
        g: Light of green.
        b: Light of blue.
        key: Direction of the hue: sums to 0, of length 1.
    """
    grey = (r + g + b) / 3
    r, g, b = r - grey, g - grey, b - grey
    along = r * key[0] + g * key[1] + b * key[2]
    across = max(0.0, r * r + g * g + b * b - along * along) ** 0.5
    # For a green key: green above the larger of red and blue, as keyers count it.
    return max(0.0, along - across * 0.5773502691896258)


@njit(cache=True, nogil=True, error_model="numpy")
def take_spill(
    fore: Any, alpha: Any, key: _Floats, amount: float, light: _Floats, starts: _Ints
) -> None:  # pragma: no cover - compiled
    """Take a key colour's spill out of rows of a foreground, in place; their luminance stays."""
    is_byte = fore.itemsize == 1
    factor = 257 if is_byte else 1
    luminance = 0.2126 * key[0] + 0.7152 * key[1] + 0.0722 * key[2]
    for y in range(fore.shape[0]):
        for x in range(fore.shape[1]):
            if alpha[y, x] == 0:
                continue
            r = light[0, int(fore[y, x, 0]) * factor]
            g = light[1, int(fore[y, x, 1]) * factor]
            b = light[2, int(fore[y, x, 2]) * factor]
            less = amount * spill(r, g, b, key)
            if less <= 0.0:
                continue
            for c in range(3):
                own = light[c, int(fore[y, x, c]) * factor]
                left = np.float32(own - less * (key[c] - luminance))
                fore[y, x, c] = _stored(code_of_light(left, light[c], starts[c]), is_byte)


@njit(cache=True, nogil=True, error_model="numpy")
def mean_spill(light: _Floats, key: _Floats) -> float:  # pragma: no cover - compiled
    """Return the mean spill on lights of shape (n, 3), n at least 1."""
    total = 0.0
    for k in range(light.shape[0]):
        total += spill(light[k, 0], light[k, 1], light[k, 2], key)
    return total / light.shape[0]
