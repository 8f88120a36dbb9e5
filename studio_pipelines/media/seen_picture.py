"""A picture, or a window of it, as a segmentation network has seen it.

What the network has made of a picture does not depend on what is asked of it, so it is kept: bytes
that can be read again without decoding the picture.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from studio_pipelines.media.image_encode import has_fitting_profile, to_integers, vips_image
from studio_pipelines.media.interruptible import run_interruptibly
from studio_pipelines.media.picture import Picture
from studio_pipelines.media.segment_frame import Frame, Window
from studio_pipelines.media.vips_fields import set_bytes_field

VIEW_PX: Final = 1024
_ABOUT, _VIEW, _KNOWN = "about", "view", "known."
# The mean colour that the networks were trained with: what is transparent looks like nothing.
_NOTHING: Final = (124, 116, 104)


class UnreadableRecord(ValueError):
    """The bytes are not a record that this version wrote."""


@dataclass(frozen=True, eq=False)
class SeenPicture:
    """What is known of a picture, or of a window of it.

    Attributes:
        width_px: The upright picture's width.
        height_px: Its height.
        frame: The window, and where it lies in what the network saw.
        view: The window in sRGB code values, (height, width, 3), the longer side 1024 pixels: what
            people are shown.
        known: What the network has made of it, by name.
        has_holes: Whether parts of the picture are wholly transparent.
        notes: What decoding had to change or leave out.
    """

    width_px: int
    height_px: int
    frame: Frame
    view: NDArray[np.uint8]
    known: Mapping[str, NDArray[np.float32]]
    has_holes: bool
    notes: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """Return it as a safetensors file; what the network made keeps 11 significant bits."""
        about = {
            "size": (self.width_px, self.height_px),
            "frame": asdict(self.frame),
            "has_holes": self.has_holes,
            "notes": self.notes,
        }
        text = np.frombuffer(json.dumps(about).encode(), np.uint8)
        known = {_KNOWN + name: halved(value) for name, value in self.known.items()}
        return save({_ABOUT: text, _VIEW: self.view, **known})

    @classmethod
    def from_bytes(cls, data: bytes) -> "SeenPicture":
        """Read what :meth:`to_bytes` gave.

        Raises:
            UnreadableRecord: It is something else.
        """
        try:
            found = load(data)
            about: Any = json.loads(found.pop(_ABOUT).tobytes())
            view = found.pop(_VIEW)
            framed: Any = about["frame"]
            frame = Frame(Window(**framed["window"]), framed["side_px"], framed["keeps_shape"])
            known = {
                name.removeprefix(_KNOWN): value.astype(np.float32) for name, value in found.items()
            }
            notes = tuple(about["notes"])
            width_px, height_px = about["size"]
            return cls(width_px, height_px, frame, view, known, about["has_holes"], notes)
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise UnreadableRecord("no record of a seen picture") from error


def halved(values: NDArray[np.float32]) -> NDArray[np.float16]:
    """Return values as they are kept: in half precision, within its range."""
    limit = np.finfo(np.float16).max
    return np.clip(values, -limit, limit).astype(np.float16)


def shown(picture: Picture, window: Window, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a window of a picture, scaled, in sRGB.

    Colours are converted through the picture's ICC profile, where it has one; what is transparent
    becomes grey; floating-point values are clipped to 0 to 1.

    Args:
        picture: Grey, RGB or RGBA.
        window: The part of it.
        size: Width and height of the result.

    Returns:
        Code values of shape (height, width, 3).
    """
    image = vips_image(picture).crop(window.left, window.top, window.width_px, window.height_px)
    image = to_integers(image, bits=8)
    if has_fitting_profile(picture):
        image = image.copy()
        set_bytes_field(image, "icc-profile-data", picture.icc_profile or b"")
    small = image.thumbnail_image(size[0], height=size[1], size="force")
    if has_fitting_profile(picture):
        small = small.icc_transform("srgb", embedded=True, intent="relative")
    if small.hasalpha():
        small = small.flatten(background=list(_NOTHING))
    if small.bands == 1:
        small = small.bandjoin([small, small])
    small = small.cast("uchar")
    # Here the picture is read: libvips computes nothing before.
    memory = run_interruptibly(small.write_to_memory, stop=lambda: small.set_kill(True))
    return np.frombuffer(memory, np.uint8).reshape(small.height, small.width, 3)


def view_of(picture: Picture, window: Window) -> NDArray[np.uint8]:
    """Return a window as people are shown it, the longer side 1024 pixels."""
    return shown(picture, window, Frame(window, VIEW_PX, keeps_shape=True).seen_px)
