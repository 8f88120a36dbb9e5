"""From the values of an ICC profile to CIE XYZ, as a stage of a chain."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.media.colour_chain import Stage
from studio_pipelines.media.colour_difference import lab_to_xyz

_PEAK: Final = np.float32(65535)
_D50: Final = np.array([0.9642, 1.0, 0.8249])
# Bradford's adaptation from the connection space's white, D50, to D65 (ICC.1:2022, annex E).
_D50_TO_D65: Final = np.array(
    [
        [0.9555766, -0.0230393, 0.0631636],
        [-0.0282895, 1.0099416, 0.0210077],
        [0.0122982, -0.0204830, 1.3299098],
    ]
)


def icc_to_xyz(profile: bytes) -> Stage:
    """Return a stage that takes code values under an RGB profile to XYZ under D65, Y of white 1.

    LittleCMS does it, relative colorimetrically, on 16-bit values: which is what a picture with a
    profile holds at most.
    """

    def convert(values: NDArray[np.float32]) -> None:
        # Here, for libvips starts a thread, which a worker's parent must not have.
        import pyvips

        from studio_pipelines.media.vips_fields import set_bytes_field

        codes = np.rint(np.clip(values[:, :3], 0, 1) * _PEAK).astype(np.uint16)
        image = pyvips.Image.new_from_memory(codes.data, len(codes), 1, 3, "ushort")
        image = image.copy(interpretation="rgb16")
        set_bytes_field(image, "icc-profile-data", profile)
        # CIELAB spreads precision as the eye does; through XYZ, dark colours would lose some.
        lab = image.icc_import(embedded=True, intent="relative", pcs="lab")
        found = np.frombuffer(lab.write_to_memory(), np.float32).reshape(-1, 3)
        values[:, :3] = (lab_to_xyz(found.astype(np.float64)) * _D50) @ _D50_TO_D65.T

    return convert
