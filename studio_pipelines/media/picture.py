"""A decoded picture: the file's own code values, upright, with its colour profile beside them."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from studio_pipelines.media.interruptible import bands

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16] | npt.NDArray[np.float32]
"""C-contiguous code values of shape (height, width, channels)."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """Code values and what is needed to show or store them faithfully.

    Attributes:
        pixels: Shape (height, width, channels), C-contiguous. uint8 and uint16 use their whole
            range; float32 holds what the file holds, nominally 0 to 1. Channels: 1 grey, 3 RGB,
            4 RGB and straight (not premultiplied) alpha.
        icc_profile: The ICC profile of the code values, or None. The values have not been
            converted by it.
        exif: An EXIF block (a little-endian TIFF structure) without orientation and without the
            embedded thumbnail, or None.
        density_dpi: Printing density (horizontal, vertical) in pixels per inch, or None.
        source_format: Media type of the file.
        has_non_finite: True where a float picture holds NaN or infinity.
        notes: Plain sentences about what decoding had to change or leave out.
    """

    pixels: Pixels
    icc_profile: bytes | None = None
    exif: bytes | None = None
    density_dpi: tuple[float, float] | None = None
    source_format: str = ""
    has_non_finite: bool = False
    notes: tuple[str, ...] = ()

    @property
    def height_px(self) -> int:
        """Height in pixels."""
        return self.pixels.shape[0]

    @property
    def width_px(self) -> int:
        """Width in pixels."""
        return self.pixels.shape[1]

    @property
    def channels(self) -> int:
        """1 grey, 3 RGB, 4 RGB and alpha."""
        return self.pixels.shape[2]

    def with_pixels(self, pixels: Pixels) -> "Picture":
        """Return other pixels of the same size, with this picture's profile and EXIF."""
        return replace(self, pixels=pixels)

    def as_rgb(self) -> "Picture":
        """Give grey three equal channels; return a picture that has colour as it is, uncopied.

        A grey ICC profile does not describe RGB values, so it is dropped and noted.
        """
        if self.channels != 1:
            return self
        pixels = np.empty((self.height_px, self.width_px, 3), self.pixels.dtype)
        for rows in bands(self.height_px, self.width_px):
            pixels[rows] = self.pixels[rows]
        if self.icc_profile is None:
            return replace(self, pixels=pixels)
        note = "The picture is grey: its grey colour profile was dropped on turning it into RGB."
        return replace(self, pixels=pixels, icc_profile=None, notes=(*self.notes, note))
