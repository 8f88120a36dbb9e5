"""Replace what a mask covers, window by window, and leave every other pixel as it is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.media.colour_program import PEAKS
from studio_pipelines.media.inpaint_mask import bled
from studio_pipelines.media.inpaint_scope import Scope
from studio_pipelines.media.inpaint_windows import Window, windows_of
from studio_pipelines.media.patch_completion import NothingToCopy, complete
from studio_pipelines.media.patch_layers import depth_of
from studio_pipelines.media.picture import Pixels

Mask = NDArray[np.bool_]
Report = Callable[[float], object]
_Floats = NDArray[np.float32]

CODES: Final = 255.0
UNSURE: Final = 20.0


@dataclass(frozen=True, eq=False)
class View:
    """A part of a picture, as a filler gets it.

    Attributes:
        colours: (height, width, 3) 8-bit code values as floats, whatever the picture's depth.
        hole: (height, width) what is unknown; at least one pixel.
        barred: (height, width) what is known and may not be copied.
    """

    colours: _Floats
    hole: Mask
    barred: Mask


@dataclass(frozen=True, eq=False)
class Filling:
    """What a filler made of a view.

    Attributes:
        colours: The view's, with the hole filled; what is outside it does not count.
        uncertainty: How unsure the filler is, in 8-bit code values, or None if it cannot tell.
    """

    colours: _Floats
    uncertainty: float | None = None


class Filler(Protocol):
    """What fills holes: patches, or a network."""

    def __call__(self, view: View, report: Report) -> Filling:
        """Fill a view's hole, telling what share is done.

        Raises:
            NothingToCopy: The view has nothing to fill it from; a wider one may have.
        """
        ...


@dataclass(frozen=True)
class PatchFiller:
    """Patch completion as a filler.

    Attributes:
        seed: Another one gives another filling.
    """

    seed: int = 0

    def __call__(self, view: View, report: Report) -> Filling:
        """Fill the hole with patches from the view."""
        found = complete(view.colours, view.hole, barred=view.barred, seed=self.seed, report=report)
        return Filling(found.colours, found.uncertainty)


@dataclass(frozen=True, eq=False)
class Inpainted:
    """A picture whose hole is filled.

    Attributes:
        pixels: Of the input's shape and type; equal to it outside the hole, and in alpha.
        windows: How many windows were worked on.
        uncertainty: The windows' mean by filled pixels, in 8-bit code values, or None.
    """

    pixels: Pixels
    windows: int
    uncertainty: float | None

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of it."""
        if self.uncertainty is None or self.uncertainty <= UNSURE:
            return ()
        note = (
            "The picture holds little that fits into the hole, so the filling may look wrong; "
            "another seed, a smaller mask or a generative model may do better."
        )
        return (note,)


def inpaint(
    scope: Scope, filler: Filler, *, feather_px: int = 0, report: Report = lambda _: None
) -> Inpainted:
    """Fill a hole.

    Args:
        scope: The picture, its hole, and how it is cut into windows.
        filler: Fills one window.
        feather_px: Over how many pixels, from the hole's rim inward, the old picture fades out.
        report: Told what share is done, 0 to 1.

    Raises:
        NothingToCopy: The whole picture has nothing to fill a hole from.
        InvalidParameter: The picture is too large for the plan.
    """
    hole = scope.hole
    canvas = _Canvas(scope, scope.picture.pixels.copy(), hole.copy(), feather_px)
    windows = windows_of(hole, scope.plan)
    total, done = int(hole.sum()), 0
    doubts: list[float] = []
    for window in windows:
        count = int(canvas.own(window).sum())
        if count == 0:
            continue
        filling, seen = canvas.fill(
            window, filler, lambda f, c=count, d=done: report((d + f * c) / total)
        )
        canvas.paste(seen, filling.colours)
        done += count
        if filling.uncertainty is not None:
            doubts.append(filling.uncertainty * count / total)
    return Inpainted(canvas.pixels, len(windows), sum(doubts) if doubts else None)


@dataclass(frozen=True, eq=False)
class _Canvas:
    """The picture in work: its pixels, and what of the hole is still missing."""

    scope: Scope
    pixels: Pixels
    missing: Mask
    feather_px: int

    def own(self, window: Window) -> Mask:
        """Return what a window is to fill, within its outer part."""
        left, top, right, bottom = window.inner
        x, y = window.outer[:2]
        missing = self.missing[window.at]
        own = np.zeros_like(missing)
        inner = slice(top - y, bottom - y), slice(left - x, right - x)
        own[inner] = missing[inner]
        return own

    def fill(self, window: Window, filler: Filler, report: Report) -> tuple[Filling, Window]:
        """Fill a window, looking further around where it holds nothing to fill it from."""
        while True:
            try:
                return filler(self._view(window), report), window
            except NothingToCopy:
                wider = window.widened(*self.missing.shape)
                if wider == window:
                    raise
                window = wider

    def paste(self, window: Window, colours: _Floats) -> None:
        """Write what a window is to fill, and only that."""
        own, target = self.own(window), self.pixels[window.at]
        peak = PEAKS[target.dtype.name]
        channels = 1 if target.shape[2] == 1 else 3
        new = colours[own][:, :channels] * np.float32(peak / CODES)
        if self.feather_px:
            depth = depth_of(self.scope.hole[window.at])[own][:, None]
            share = np.minimum(depth / np.float32(self.feather_px + 1), 1)
            new = target[own][:, :channels] * (1 - share) + new * share
        if target.dtype != np.float32:
            new = np.clip(new + np.float32(0.5), 0, peak)
        target[own, :channels] = new.astype(target.dtype)
        self.missing[window.at] &= ~own

    def _view(self, window: Window) -> View:
        part, missing = self.pixels[window.at], self.missing[window.at]
        scale = np.float32(CODES / PEAKS[part.dtype.name])
        if part.shape[2] == 1:
            part = np.repeat(part, 3, axis=2)
        colours = part[..., :3].astype(np.float32) * scale
        barred = np.zeros_like(missing)
        if self.scope.barred is not None:
            barred |= self.scope.barred[window.at]
        if self.scope.void is not None:
            void = self.scope.void[window.at] & ~missing
            colours, barred = bled(colours, void, missing), barred | void
        return View(colours, missing, barred)
