"""From the values of an ICC profile to CIE XYZ, as a stage of a chain."""

from typing import Final

import numpy as np
import pyvips
from numpy.typing import NDArray

from studio_pipelines.media.colour_chain import Stage
from studio_pipelines.media.vips_fields import set_bytes_field

_PEAK: Final = np.float32(65535)
_XYZ_WHITE: Final = np.float32(0.01)  # libvips' XYZ is under D65, and its white has Y = 100


def icc_to_xyz(profile: bytes) -> Stage:
    """Return a stage that takes code values under an RGB profile to XYZ under D65, Y of white 1.

    LittleCMS does it, relative colorimetrically, on 16-bit values: which is what a picture with a
    profile holds at most.
    """

    def convert(values: NDArray[np.float32]) -> None:
        codes = np.rint(np.clip(values[:, :3], 0, 1) * _PEAK).astype(np.uint16)
        image = pyvips.Image.new_from_memory(codes.data, len(codes), 1, 3, "ushort")
        image = image.copy(interpretation="rgb16")
        set_bytes_field(image, "icc-profile-data", profile)
        xyz = image.icc_import(embedded=True, intent="relative", pcs="xyz")
        found = np.frombuffer(xyz.write_to_memory(), np.float32).reshape(-1, 3)
        values[:, :3] = found * _XYZ_WHITE

    return convert
