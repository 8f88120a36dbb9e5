"""Decimal text to numbers at memory speed, for the rows of a .cube file."""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

ROW_OK: Final = 0
ROW_NOT_THREE: Final = 1
ROW_BAD_NUMBER: Final = 2

_TENS: Final = np.array([10.0**k for k in range(23)])
_MAX_DIGITS: Final = 15  # 10**15 < 2**53, so the mantissa is exact in a double


@njit(cache=True, nogil=True)
def _scale(mantissa: int, exponent: int) -> float:
    """Return mantissa · 10**exponent; one rounding while |exponent| ≤ 22 (Clinger, 1990)."""
    value = float(mantissa)
    while exponent > 22:
        value *= _TENS[22]
        exponent -= 22
        if value > 1e300:
            return np.inf
    while exponent < -22:
        value /= _TENS[22]
        exponent += 22
        if value == 0.0:
            return 0.0
    return value * _TENS[exponent] if exponent >= 0 else value / _TENS[-exponent]


@njit(cache=True, nogil=True)
def _digits(text: NDArray[np.uint8], at: int, mantissa: int, kept: int) -> tuple[int, int, int]:
    """Return (position after the digits, mantissa, digits kept), dropping digits past 15."""
    while at < text.size and 48 <= text[at] <= 57:
        if kept < _MAX_DIGITS:
            mantissa = mantissa * 10 + (int(text[at]) - 48)
            kept += 1 if mantissa > 0 else 0
        else:
            kept += 1
        at += 1
    return at, mantissa, kept


@njit(cache=True, nogil=True)
def _exponent(text: NDArray[np.uint8], at: int) -> tuple[int, int]:
    """Return (position after the exponent at ``at``, its value), or (-1, 0) if it is not one."""
    at += 1
    sign = 1
    if at < text.size and text[at] in (43, 45):
        sign = -1 if text[at] == 45 else 1
        at += 1
    first = at
    value = 0
    while at < text.size and 48 <= text[at] <= 57:
        value = min(value * 10 + (int(text[at]) - 48), 9999)
        at += 1
    return (at, sign * value) if at > first else (-1, 0)


@njit(cache=True, nogil=True)
def _number(text: NDArray[np.uint8], at: int) -> tuple[int, float]:
    """Return (position after the decimal number at ``at``, its value), or (-1, 0.0)."""
    sign = 1.0
    if text[at] in (43, 45):
        sign = -1.0 if text[at] == 45 else 1.0
        at += 1
    first = at
    at, mantissa, kept = _digits(text, at, 0, 0)
    count = at - first
    exponent = max(kept - _MAX_DIGITS, 0)
    if at < text.size and text[at] == 46:
        whole_kept, start = kept, at + 1
        at, mantissa, kept = _digits(text, start, mantissa, kept)
        count += at - start
        dropped = max(kept - _MAX_DIGITS, 0) - max(whole_kept - _MAX_DIGITS, 0)
        exponent -= (at - start) - dropped
    if count == 0:
        return -1, 0.0
    if at < text.size and text[at] in (69, 101):
        at, power = _exponent(text, at)
        exponent += power
        if at < 0:
            return -1, 0.0
    if at < text.size and text[at] not in (9, 10, 13, 32):
        return -1, 0.0
    return at, sign * _scale(mantissa, exponent)


@njit(cache=True, nogil=True)
def parse_rows(
    text: NDArray[np.uint8], start: int, line: int, rows: NDArray[np.float32]
) -> tuple[int, int, int]:
    """Read rows of three decimals, one row a line; blank and ``#`` lines are passed over.

    Args:
        text: The whole file as bytes, line ends LF or CRLF.
        start: Where the first data line begins.
        line: The number of that line, counted from one.
        rows: Where the rows go, shape (expected, 3).

    Returns:
        A status, the line where reading stopped, and the number of rows found, which counts on
        past the expected number.
    """
    at, found = start, 0
    while at < text.size:
        column = 0
        while at < text.size and text[at] != 10:
            if text[at] in (9, 13, 32):
                at += 1
            elif text[at] == 35 and column == 0:
                while at < text.size and text[at] != 10:
                    at += 1
            else:
                at, value = _number(text, at)
                if at < 0:
                    return ROW_BAD_NUMBER, line, found
                if column < 3 and found < rows.shape[0]:
                    rows[found, column] = value
                column += 1
        if column not in (0, 3):
            return ROW_NOT_THREE, line, found
        found += column // 3
        at += 1
        line += 1
    return ROW_OK, line, found
