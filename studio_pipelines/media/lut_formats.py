"""The .cube text format, read and written.

The format is that of Adobe's *Cube LUT Specification 1.0* (2013) with DaVinci Resolve's
extension: a file may hold a 1D table, a 3D table, or a 1D table followed by the 3D table that
it feeds, each with its own input range.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NoReturn

import numpy as np
import numpy.typing as npt

from studio_pipelines.errors import UnusableMedia
from studio_pipelines.media.cube_rows import parse_rows
from studio_pipelines.media.lut_table import (
    MAX_SHAPER_SIZE,
    MAX_TABLE_SIZE,
    Float3,
    Lut,
    check_size,
)

_SIZES: Final = {"LUT_1D_SIZE": MAX_SHAPER_SIZE, "LUT_3D_SIZE": MAX_TABLE_SIZE}
_RANGES: Final = {
    "DOMAIN_MIN": 3,
    "DOMAIN_MAX": 3,
    "LUT_1D_INPUT_RANGE": 2,
    "LUT_3D_INPUT_RANGE": 2,
}
_BLOCK_ROWS: Final = 1 << 16
_MAX_TITLE_CHARACTERS: Final = 250
_Span = tuple[Float3, Float3]
_UNIT: Final[_Span] = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


@dataclass
class _Header:
    """What the keyword lines have said so far."""

    title: str = ""
    sizes: dict[str, int] = field(default_factory=dict[str, int])
    ranges: dict[str, tuple[float, ...]] = field(default_factory=dict[str, tuple[float, ...]])


def _refuse(message: str, hint: str | None = None) -> NoReturn:
    raise UnusableMedia(message, field="lut", hint=hint)


def parse_cube(data: bytes) -> Lut:
    """Read a .cube file.

    Args:
        data: The file's bytes: ASCII or UTF-8 text, with or without a byte order mark, with any
            of the three line ends.

    Raises:
        UnusableMedia: The file is not text or breaks the format; the message names the line.
    """
    text = data.removeprefix(b"\xef\xbb\xbf")
    if not text.strip():
        _refuse("The .cube file is empty.")
    if b"\0" in text:
        _refuse("The .cube file is not text.")
    if b"\n" not in text:
        text = text.replace(b"\r", b"\n")
    header, start, line = _parse_header(text)
    if not header.sizes:
        _refuse("The .cube file has no LUT_1D_SIZE or LUT_3D_SIZE line.")
    length, edge = header.sizes.get("LUT_1D_SIZE", 0), header.sizes.get("LUT_3D_SIZE", 0)
    shaper_span, domain = _spans(header)
    rows = _parse_body(text, start, line, length + edge**3)
    return Lut(
        table=rows[length:].reshape(edge, edge, edge, 3) if edge else None,
        shaper=rows[:length] if length else None,
        domain_min=domain[0],
        domain_max=domain[1],
        shaper_min=shaper_span[0],
        shaper_max=shaper_span[1],
        title=header.title,
    )


def _parse_header(text: bytes) -> tuple[_Header, int, int]:
    """Return the header, and the position and number of the first line of data."""
    header = _Header()
    at, line = 0, 1
    while at < len(text):
        end = text.find(b"\n", at)
        end = len(text) if end < 0 else end
        content = text[at:end].strip()
        if content and content[0] in b"+-.0123456789":
            break
        if content and not content.startswith(b"#"):
            _read_keyword(header, content, line)
        at, line = end + 1, line + 1
    return header, at, line


def _read_keyword(header: _Header, content: bytes, line: int) -> None:
    try:
        keyword, _, rest = content.decode("utf-8").replace("\t", " ").partition(" ")
    except UnicodeDecodeError:
        _refuse(f"Line {line} of the .cube file is not text.")
    if keyword in header.sizes or keyword in header.ranges:
        _refuse(f"Line {line} of the .cube file gives {keyword} a second time.")
    if keyword == "TITLE":
        header.title = rest.strip().removeprefix('"').removesuffix('"')[:_MAX_TITLE_CHARACTERS]
    elif keyword in _SIZES:
        (size,) = _keyword_numbers(keyword, rest, 1, line)
        if not size.is_integer():
            _refuse(f"{keyword} is {size:g}; it must be a whole number.")
        check_size(keyword, int(size), _SIZES[keyword])
        header.sizes[keyword] = int(size)
    elif keyword in _RANGES:
        header.ranges[keyword] = _keyword_numbers(keyword, rest, _RANGES[keyword], line)
    elif keyword in ("LUT_IN_VIDEO_RANGE", "LUT_OUT_VIDEO_RANGE"):
        _refuse(
            "The .cube file is made for video-range code values.",
            "Export the LUT for full-range (data level) values.",
        )
    else:
        _refuse(f"Line {line} of the .cube file begins with the unknown word {keyword[:40]!r}.")


def _keyword_numbers(keyword: str, rest: str, count: int, line: int) -> tuple[float, ...]:
    words = rest.split()
    try:
        numbers = tuple(float(word) for word in words)
    except ValueError:
        numbers = ()
    if len(words) != count or len(numbers) != count or not np.isfinite(numbers).all():
        _refuse(
            f"Line {line} of the .cube file gives {keyword} as {rest.strip()[:60]!r}; "
            f"it takes {count} number{'s' if count > 1 else ''}."
        )
    return numbers


def _spans(header: _Header) -> tuple[_Span, _Span]:
    """Return the input ranges of the shaper and of the 3D table."""
    ranges, sizes = header.ranges, header.sizes
    if not ranges:
        return _UNIT, _UNIT
    adobe = [word for word in ranges if word.startswith("DOMAIN")]
    if adobe and len(adobe) < len(ranges):
        _refuse("The .cube file gives both a DOMAIN and an INPUT_RANGE; only one may stand.")
    if adobe and len(sizes) == 2:
        _refuse(
            "The .cube file gives one DOMAIN for two tables.",
            "Use LUT_1D_INPUT_RANGE and LUT_3D_INPUT_RANGE.",
        )
    for word in set(ranges) - set(adobe):
        if word.replace("INPUT_RANGE", "SIZE") not in sizes:
            _refuse(f"The .cube file gives {word}, and has no such table.")
    if adobe:
        low = _three(ranges.get("DOMAIN_MIN", (0.0,)))
        high = _three(ranges.get("DOMAIN_MAX", (1.0,)))
        span = (low, high)
        return (span, _UNIT) if "LUT_1D_SIZE" in sizes else (_UNIT, span)
    first = ranges.get("LUT_1D_INPUT_RANGE", (0.0, 1.0))
    second = ranges.get("LUT_3D_INPUT_RANGE", (0.0, 1.0))
    return (_three(first[:1]), _three(first[1:])), (_three(second[:1]), _three(second[1:]))


def _three(values: tuple[float, ...]) -> Float3:
    return (values[0], values[len(values) // 2], values[-1])


def _parse_body(text: bytes, start: int, line: int, expected: int) -> npt.NDArray[np.float32]:
    rows = parse_rows(text[start:], line)
    if len(rows) != expected:
        _refuse(f"The .cube file must hold {expected} rows of numbers; it holds {len(rows)}.")
    return rows


def format_cube(lut: Lut) -> bytes:
    """Write a LUT as a .cube file in memory; see :func:`cube_blocks`."""
    return b"".join(cube_blocks(lut))


def cube_blocks(lut: Lut) -> Iterator[bytes]:
    """Write a LUT as a .cube file, block by block; :func:`parse_cube` gives back the same values.

    A lone table states its domain in Adobe's words where it is not 0 to 1. A shaper with a 3D
    table is Resolve's form, whose ranges are one pair for all channels.

    Raises:
        UnusableMedia: The LUT has a shaper, a 3D table, and a range that differs by channel.
    """
    lines = [f'TITLE "{lut.title.replace(chr(34), chr(39))}"'] if lut.title else []
    tables: list[npt.NDArray[np.float32]] = []
    spans: dict[str, _Span] = {}
    if lut.shaper is not None:
        tables.append(lut.shaper)
        lines.append(f"LUT_1D_SIZE {len(lut.shaper)}")
        spans["LUT_1D_INPUT_RANGE"] = (lut.shaper_min, lut.shaper_max)
    if lut.table is not None:
        tables.append(lut.table.reshape(-1, 3))
        lines.append(f"LUT_3D_SIZE {len(lut.table)}")
        spans["LUT_3D_INPUT_RANGE"] = (lut.domain_min, lut.domain_max)
    lines += _span_lines(spans)
    yield "\n".join(" ".join(line.split()) for line in lines).encode() + b"\n"
    for rows in tables:
        yield from _row_blocks(rows)


def _span_lines(spans: dict[str, _Span]) -> list[str]:
    if len(spans) == 1:
        ((low, high),) = spans.values()
        if (low, high) == _UNIT:
            return []
        return [f"DOMAIN_MIN {_words(low)}", f"DOMAIN_MAX {_words(high)}"]
    if any(len(set(end)) > 1 for span in spans.values() for end in span):
        _refuse("A .cube file with two tables cannot have a range that differs by channel.")
    return [f"{word} {low[0]!r} {high[0]!r}" for word, (low, high) in spans.items()]


def _words(values: Float3) -> str:
    return " ".join(repr(value) for value in values)


def _row_blocks(rows: npt.NDArray[np.float32]) -> Iterator[bytes]:
    blocks = [rows[at : at + _BLOCK_ROWS] for at in range(0, len(rows), _BLOCK_ROWS)]
    # Six decimals are the custom; where they do not suffice, nine digits name every float32.
    number = b"%.6f" if all(map(_six_decimals_suffice, blocks)) else b"%.9g"
    line = b" ".join([number] * 3) + b"\n"
    for block in blocks:
        yield (line * len(block)) % tuple(block.ravel().tolist())


def _six_decimals_suffice(rows: npt.NDArray[np.float32]) -> bool:
    return np.array_equal(np.round(rows.astype(np.float64), 6).astype(np.float32), rows)
