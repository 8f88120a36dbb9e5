"""The pictures of a request: what is cut out, what it is laid over, and where the subject is."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from studio_pipelines.errors import InvalidParameter

if TYPE_CHECKING:
    from studio_pipelines.media.coverage import Alpha
    from studio_pipelines.media.layer import Layer
    from studio_pipelines.media.picture import Picture


@dataclass(frozen=True)
class Stills:
    """The request's pictures, decoded.

    Attributes:
        foreground: What is cut out.
        background: What it is laid over, or None.
        trimap: What is known of the subject, or None.
        mask: Where it is, or None.
    """

    foreground: "Layer"
    background: "Layer | None" = None
    trimap: "Alpha | None" = None
    mask: "Alpha | None" = None

    @property
    def needs_subject(self) -> bool:
        """Whether a network has to find it."""
        return self.foreground.alpha is None and self.trimap is None and self.mask is None


def stills_of(
    foreground: "Picture",
    *,
    background: "Picture | None",
    trimap: "Picture | None",
    mask: "Picture | None",
) -> Stills:
    """Take a request's pictures.

    Raises:
        InvalidParameter: A mask or trimap is of another size, or a trimap is for a picture that
            has transparency of its own.
    """
    from studio_pipelines.media.layer import layer_of

    layer = layer_of(foreground)
    if trimap is not None and layer.alpha is not None:
        raise InvalidParameter(
            "The foreground has transparency of its own, which leaves nothing to a trimap.",
            field="trimap",
            hint="Leave the trimap out, or send the foreground without transparency.",
        )
    return Stills(
        layer,
        None if background is None else layer_of(background),
        _shares_of(trimap, layer, "trimap"),
        _shares_of(mask, layer, "mask"),
    )


def _shares_of(drawn: "Picture | None", layer: "Layer", field: str) -> "Alpha | None":
    import numpy as np

    from studio_pipelines.media.layer import layer_of

    if drawn is None:
        return None
    read = layer_of(drawn)
    if read.size != layer.size:
        raise InvalidParameter(
            f"{field}: it has {read.size[1]} x {read.size[0]} pixels, and the foreground has "
            f"{layer.size[1]} x {layer.size[0]}.",
            field=field,
            hint=f"Send a {field} of the foreground's size; white is the subject.",
        )
    # Of a colour picture the green channel counts: it carries most of the luminance.
    green = read.codes[..., 1]
    return green.astype(np.uint16) * np.uint16(1 if read.is_deep else 257)
