"""Decimal text to numbers, for the rows of a .cube file."""

import io
import re
from typing import Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.errors import UnusableMedia

_OF_NUMBERS: Final = b"0123456789+-.eE \t\n"
_RETURN_AS_SPACE: Final = bytes.maketrans(b"\r", b" ")
_COMMENT: Final = re.compile(rb"^[ \t]*#.*$", re.MULTILINE)
_NUMBER: Final = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def parse_rows(text: bytes, line: int) -> NDArray[np.float32]:
    """Read rows of three decimals, one row a line; blank and ``#`` lines are passed over.

    Args:
        text: The rows, line ends LF or CRLF.
        line: The number of their first line in the file, counted from one.

    Returns:
        The rows, (rows, 3).

    Raises:
        UnusableMedia: A line holds something else; the message names it.
    """
    text = text.translate(_RETURN_AS_SPACE)
    if b"#" in text:
        text = _COMMENT.sub(b"", text)
    if text.translate(None, _OF_NUMBERS):  # NumPy would take "nan" and "inf" for numbers
        _refuse_first(text, line)
    if not text.strip():
        return np.empty((0, 3), np.float32)
    try:
        rows = np.loadtxt(io.BytesIO(text), np.float32, comments=None, ndmin=2, encoding="ascii")
    except ValueError:
        _refuse_first(text, line)
    if rows.shape[1] != 3:
        _refuse_first(text, line)
    return rows


def _refuse_first(text: bytes, line: int) -> NoReturn:
    """Name the first line that does not hold three numbers."""
    for number, content in enumerate(io.BytesIO(text), line):
        words = content.split()
        if not all(map(_NUMBER.fullmatch, words)):
            _refuse(f"Line {number} of the .cube file holds something that is not a number.")
        if len(words) not in (0, 3):
            _refuse(f"Line {number} of the .cube file does not hold exactly three numbers.")
    _refuse("The .cube file holds rows that cannot be read.")


def _refuse(message: str) -> NoReturn:
    raise UnusableMedia(message, field="lut")
