"""Where the layers of a composite lie on its canvas."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from studio_pipelines.errors import InvalidParameter
from studio_pipelines.media.coverage import Alpha, Codes
from studio_pipelines.media.interruptible import bands
from studio_pipelines.media.layer import Layer
from studio_pipelines.media.limits import media_limits
from studio_pipelines.media.resampling import resized

Fit = Literal["cover", "contain", "stretch"]
Size = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True, slots=True)
class Placement:
    """A rectangle on a canvas, which it may leave.

    Attributes:
        canvas: The canvas.
        size: The rectangle.
        top: Row of its first row on the canvas.
        left: Column of its first column.
    """

    canvas: Size
    size: Size
    top: int
    left: int

    @property
    def is_whole(self) -> bool:
        """Whether it is the canvas itself."""
        return self.size == self.canvas and not self.top and not self.left

    def on_canvas(self, values: Any) -> Any:
        """Return what lies on the canvas of an array of the rectangle's size; elsewhere it is 0."""
        if self.is_whole:
            return values
        out = np.zeros((*self.canvas, *values.shape[2:]), values.dtype)
        target, source = self._overlap()
        for rows in bands(target[0].stop - target[0].start, self.canvas[1]):
            into = slice(target[0].start + rows.start, target[0].start + rows.stop)
            of = slice(source[0].start + rows.start, source[0].start + rows.stop)
            out[into, target[1]] = values[of, source[1]]
        return out

    def _overlap(self) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        starts = (self.top, self.left)
        target = [
            slice(max(0, start), max(0, min(full, start + side)))
            for start, side, full in zip(starts, self.size, self.canvas, strict=True)
        ]
        source = [
            slice(part.start - start, max(part.start, part.stop) - start)
            for part, start in zip(target, starts, strict=True)
        ]
        target = [slice(part.start, max(part.start, part.stop)) for part in target]
        return (target[0], target[1]), (source[0], source[1])


def place(size: Size, canvas: Size, position: tuple[float, float], scale: float) -> Placement:
    """Return where a foreground lies.

    Args:
        size: The foreground's own.
        canvas: The canvas.
        position: Of its middle, across and down, as shares of the canvas.
        scale: 1 is as large as fits whole.

    Raises:
        InvalidParameter: It would have too many pixels, or none on the canvas.
    """
    factor = scale * min(canvas[0] / size[0], canvas[1] / size[1])
    height, width = (max(1, round(side * factor)) for side in size)
    limits = media_limits()
    if height * width > limits.max_pixels or max(height, width) > limits.max_side_px:
        raise InvalidParameter(
            f"scale is {scale:g}, which makes the foreground {width} x {height} pixels; at most "
            f"{limits.max_pixels / 1e6:.0f} megapixels are allowed.",
            field="scale",
        )
    top = round(position[1] * canvas[0] - height / 2)
    left = round(position[0] * canvas[1] - width / 2)
    if top >= canvas[0] or left >= canvas[1] or top + height <= 0 or left + width <= 0:
        raise InvalidParameter(
            f"position is {list(position)}: nothing of the foreground would be seen.",
            field="position",
            hint="[0.5, 0.5] is the middle of the result.",
        )
    return Placement(canvas, (height, width), top, left)


def backdrop(layer: Layer, canvas: Size, fit: Fit) -> Layer:
    """Return a background of the canvas's size.

    Args:
        layer: The background.
        canvas: The canvas.
        fit: ``cover`` fills the canvas and cuts off what is too much, ``contain`` shows all of it
            with nothing around it, ``stretch`` changes its shape.
    """
    height, width = layer.size
    if fit == "stretch":
        return resized(layer, *canvas)
    factors = (canvas[0] / height, canvas[1] / width)
    factor = max(factors) if fit == "cover" else min(factors)
    size = (max(1, round(height * factor)), max(1, round(width * factor)))
    if fit == "cover":
        layer = _cropped_to(layer, canvas)
        return resized(layer, *canvas)
    scaled = resized(layer, *size)
    placed = Placement(canvas, size, (canvas[0] - size[0]) // 2, (canvas[1] - size[1]) // 2)
    alpha = scaled.alpha
    if not placed.is_whole and alpha is None:
        alpha = np.full(size, 65535, np.uint16)
    return _with(scaled, placed.on_canvas(scaled.codes), _on(placed, alpha))


def _cropped_to(layer: Layer, canvas: Size) -> Layer:
    """Cut the middle of a layer to the canvas's shape, before it is scaled."""
    height, width = layer.size
    factor = min(height / canvas[0], width / canvas[1])
    tall, wide = (
        min(side, max(1, round(full * factor)))
        for side, full in zip((height, width), canvas, strict=True)
    )
    if (tall, wide) == (height, width):
        return layer
    top, left = (height - tall) // 2, (width - wide) // 2
    part = (slice(top, top + tall), slice(left, left + wide))
    codes: Any = np.ascontiguousarray(layer.codes[part])
    alpha = None if layer.alpha is None else np.ascontiguousarray(layer.alpha[part])
    return _with(layer, codes, alpha)


def _on(placed: Placement, alpha: Alpha | None) -> Alpha | None:
    return None if alpha is None else placed.on_canvas(alpha)


def _with(layer: Layer, codes: Codes, alpha: Alpha | None) -> Layer:
    return Layer(codes, alpha, layer.curves, layer.as_picture(codes), layer.notes)
