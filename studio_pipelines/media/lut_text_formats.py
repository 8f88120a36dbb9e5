"""Two older text formats of LUTs, read: Autodesk's .3dl and Rising Sun Research's .csp."""

from typing import Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.errors import UnusableMedia
from studio_pipelines.media.lut_table import (
    MAX_SHAPER_SIZE,
    MAX_TABLE_SIZE,
    Float3,
    Lut,
    check_size,
)

_DEPTHS: Final = (8, 10, 12, 14, 16)
_MAX_PRELUT: Final = 65536
_SAMPLES: Final = 4096
_CSP_MAGIC: Final = "CSPLUTV100"
_Doubles = NDArray[np.float64]


def _refuse(name: str, message: str) -> NoReturn:
    raise UnusableMedia(f"The {name} file {message}", field="lut", hint="Export it as .cube.")


def _lines(name: str, data: bytes) -> list[str]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        _refuse(name, "is not text.")
    stripped = (line.strip() for line in text.splitlines())
    return [line for line in stripped if line and not line.startswith("#")]


def _numbers(name: str, lines: list[str], columns: int) -> _Doubles:
    try:
        rows = np.array([line.split() for line in lines], np.float64)
    except ValueError:
        _refuse(name, "holds a row that is not numbers, or not as long as the others.")
    if rows.ndim != 2 or rows.shape[1] != columns:
        _refuse(name, f"must have rows of {columns} numbers.")
    if not np.isfinite(rows).all():
        _refuse(name, "holds a value that is not a finite number.")
    return rows


def parse_3dl(data: bytes) -> Lut:
    """Read a .3dl file, as Lustre and Flame write it.

    A row of evenly spaced input levels, then edge³ rows of whole numbers, blue fastest. The depth
    of the outputs is the least that holds the largest of them.

    Raises:
        UnusableMedia: The file breaks the format, or its input levels are not even.
    """
    name = ".3dl"
    lines = [each for each in _lines(name, data) if not each[0].isalpha() and "3DMESH" not in each]
    if not lines:
        _refuse(name, "is empty.")
    levels = _numbers(name, lines[:1], len(lines[0].split()))[0]
    edge = len(levels)
    check_size("The number of input levels", edge, MAX_TABLE_SIZE)
    even: _Doubles = np.linspace(float(levels[0]), float(levels[-1]), edge)
    if levels[0] != 0 or levels[-1] <= 0 or np.abs(levels - even).max() > 1:
        _refuse(name, "has input levels that are not evenly spaced from 0.")
    rows = _numbers(name, lines[1:], 3) if len(lines) > 1 else np.empty((0, 3))
    if len(rows) != edge**3:
        _refuse(name, f"must hold {edge**3} rows of colours; it holds {len(rows)}.")
    highest = rows.max()
    if rows.min() < 0 or highest >= 1 << _DEPTHS[-1]:
        _refuse(name, "holds a level outside 0 to 65535.")
    peak = next((1 << depth) - 1 for depth in _DEPTHS if highest < 1 << depth)
    table = (rows / peak).reshape(edge, edge, edge, 3)  # [red, green, blue]
    return Lut(table=np.ascontiguousarray(table.transpose(2, 1, 0, 3), np.float32))


def parse_csp(data: bytes) -> Lut:
    """Read a cineSpace .csp file: three input curves, then a 1D or 3D table.

    Between the points of an input curve the curve is straight here; programs that draw it through
    them as a spline differ slightly where it has more than two points.

    Raises:
        UnusableMedia: The file breaks the format.
    """
    name = ".csp"
    lines = _lines(name, data)
    if len(lines) < 2 or lines[0] != _CSP_MAGIC or lines[1] not in ("1D", "3D"):
        _refuse(name, f"does not begin with {_CSP_MAGIC} and 1D or 3D.")
    rest = lines[2:]
    if "BEGIN METADATA" in rest:
        if "END METADATA" not in rest:
            _refuse(name, "has metadata without an end.")
        rest = rest[rest.index("END METADATA") + 1 :]
    curves: list[tuple[_Doubles, _Doubles]] = []
    for _ in range(3):
        curve, rest = _input_curve(rest)
        curves.append(curve)
    if not rest:
        _refuse(name, "has no table.")
    sizes = _numbers(name, rest[:1], 3 if lines[1] == "3D" else 1)[0]
    if not (sizes == sizes[0]).all() or not float(sizes[0]).is_integer():
        _refuse(name, "has a table that is no cube.")
    size = int(sizes[0])
    check_size("The table's size", size, MAX_TABLE_SIZE if lines[1] == "3D" else MAX_SHAPER_SIZE)
    rows = _numbers(name, rest[1:], 3) if len(rest) > 1 else np.empty((0, 3))
    expected = size**3 if lines[1] == "3D" else size
    if len(rows) != expected:
        _refuse(name, f"must hold {expected} rows of colours; it holds {len(rows)}.")
    return _assembled(curves, rows, size if lines[1] == "3D" else 0)


def _input_curve(lines: list[str]) -> tuple[tuple[_Doubles, _Doubles], list[str]]:
    """Return one channel's inputs and outputs, and the lines after them."""
    name = ".csp"
    if not lines or not lines[0].isdigit():
        _refuse(name, "has no number of points where an input curve begins.")
    count = int(lines[0])
    if count == 0:
        return (np.array([0.0, 1.0]), np.array([0.0, 1.0])), lines[1:]
    if not 2 <= count <= _MAX_PRELUT or len(lines) < 3:
        _refuse(name, f"has an input curve of {count} points.")
    x, y = (_numbers(name, [line], count)[0] for line in lines[1:3])
    if (np.diff(x) <= 0).any():
        _refuse(name, "has an input curve whose inputs do not rise.")
    return (x, y), lines[3:]


def _assembled(curves: list[tuple[_Doubles, _Doubles]], rows: _Doubles, edge: int) -> Lut:
    low: Float3 = tuple(float(x[0]) for x, _ in curves)  # pyright: ignore[reportAssignmentType]
    high: Float3 = tuple(float(x[-1]) for x, _ in curves)  # pyright: ignore[reportAssignmentType]
    straight = edge > 0 and all(len(x) == 2 for x, _ in curves)
    shaper = np.empty((2 if straight else max(_SAMPLES, 0 if edge else len(rows)), 3), np.float32)
    for c, (x, y) in enumerate(curves):
        values: _Doubles = np.interp(np.linspace(float(x[0]), float(x[-1]), len(shaper)), x, y)
        if not edge:
            values = np.interp(values, np.linspace(0, 1, len(rows)), rows[:, c])
        shaper[:, c] = values
    table = rows.astype(np.float32).reshape(edge, edge, edge, 3) if edge else None
    return Lut(table=table, shaper=shaper, shaper_min=low, shaper_max=high)
