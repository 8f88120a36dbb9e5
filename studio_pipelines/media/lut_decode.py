"""Look-up tables in text files, read inside the helper and handed over as one array of rows."""

import os
from collections.abc import Callable
from functools import partial
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.media.decoding import Pending, write_array
from studio_pipelines.media.limits import MediaLimits
from studio_pipelines.media.lut_files import check_lut_size
from studio_pipelines.media.lut_formats import parse_cube
from studio_pipelines.media.lut_table import Lut
from studio_pipelines.media.lut_text_formats import parse_3dl, parse_csp
from studio_pipelines.media.sniff import CSP, CUBE, LUT_3DL, MediaType

_PARSERS: Final[dict[str, Callable[[bytes], Lut]]] = {
    CUBE.mime: parse_cube,
    LUT_3DL.mime: parse_3dl,
    CSP.mime: parse_csp,
}


def open_lut(file: BinaryIO, media_type: MediaType, limits: MediaLimits) -> Pending:
    """Read a LUT file whose size is within the limits.

    Returns:
        What writes the rows of the shaper, then those of the 3D table, as float32 (rows, 3).

    Raises:
        MediaTooLarge: The file has too many bytes.
        UnusableMedia: It breaks its format.
    """
    check_lut_size(os.fstat(file.fileno()).st_size, media_type.mime, limits)
    lut = _PARSERS[media_type.mime](file.read())
    parts = [part.reshape(-1, 3) for part in (lut.shaper, lut.table) if part is not None]
    return Pending(sum(part.nbytes for part in parts), partial(_write, lut, parts))


def _write(lut: Lut, parts: list[NDArray[np.float32]], fd: int) -> dict[str, Any]:
    for part in parts:
        write_array(fd, np.ascontiguousarray(part))
    return {
        "shape": (sum(map(len, parts)), 3),
        "dtype": "float32",
        "shaper_size": 0 if lut.shaper is None else len(lut.shaper),
        "edge": 0 if lut.table is None else len(lut.table),
        "domain": (lut.domain_min, lut.domain_max),
        "shaper_domain": (lut.shaper_min, lut.shaper_max),
        "title": lut.title,
    }
