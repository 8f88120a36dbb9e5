"""Store an inpainted picture with its mask and a preview, and measure what was stored."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.media.image_encode import EncodedPicture, PictureFormat, encode_picture
from studio_pipelines.media.inpaint_report import outside_unchanged, seam_score
from studio_pipelines.media.inpaint_scope import Scope
from studio_pipelines.media.inpainting import Inpainted
from studio_pipelines.media.picture import Picture
from studio_pipelines.media.preview import side_by_side

PICTURE_NAME: Final = "inpainted"
MASK_NAME: Final = "mask.png"
PREVIEW_NAME: Final = "before-after.png"
STEP_NAME: Final = "step.png"
_PREVIEW_PX: Final = 480
_NOT_APPLICABLE: Final = "notApplicable"


def write_results(
    scope: Scope,
    done: Inpainted,
    folder: Path,
    *,
    format: PictureFormat,  # noqa: A002  the request's own word for it
    quality: int | None,
) -> EncodedPicture:
    """Write the picture, the mask that was used, and both pictures side by side.

    Returns:
        What the picture was stored as.

    Raises:
        InvalidParameter: The quality is out of range, or the picture too large for the format.
        OSError: The disk is full, read-only or fails.
    """
    after = scope.picture.with_pixels(done.pixels)
    encoded = encode_picture(after, folder / PICTURE_NAME, format=format, quality=quality)
    white = scope.hole.view(np.uint8) * np.uint8(255)
    encode_picture(Picture(white[..., None]), folder / MASK_NAME)
    preview = side_by_side(scope.picture, after, height_px=_PREVIEW_PX)
    (folder / PREVIEW_NAME).write_bytes(preview)
    return encoded


def write_preview(colours: NDArray[np.float32], folder: Path) -> Path:
    """Write a picture of the work in hand, (height, width, 3) 8-bit code values, as a PNG."""
    path = folder / STEP_NAME
    pixels = np.ascontiguousarray(np.clip(colours + np.float32(0.5), 0, 255).astype(np.uint8))
    encode_picture(Picture(pixels), path)
    return path


def verification(
    scope: Scope,
    done: Inpainted,
    format: PictureFormat,  # noqa: A002
    read_back: Callable[[], Picture],
) -> dict[str, Any]:
    """Return what an answer says of the result.

    ``outsideUnchanged`` compares the stored picture with the input, bit by bit, in all pixels
    outside the mask; where the format cannot hold the input's values it does not apply.

    Args:
        scope: What was worked on.
        done: What was made of it.
        format: What it was stored as.
        read_back: Decodes the stored picture.
    """
    deepest = {"png": 2, "tiff": 4}.get(format, 0)
    unchanged: bool | str = _NOT_APPLICABLE
    if done.pixels.itemsize <= deepest:
        unchanged = outside_unchanged(scope.picture.pixels, read_back().pixels, scope.hole)
    return {
        "passed": unchanged is not False,
        "outsideUnchanged": unchanged,
        "seamScore": round(seam_score(done.pixels, scope.hole), 4),
        "fillUncertainty": None if done.uncertainty is None else round(done.uncertainty, 3),
    }
