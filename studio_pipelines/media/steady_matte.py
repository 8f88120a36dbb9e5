"""Hold the matte of a video steady where nothing moves."""

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

_MOST_KEPT: Final = 0.9
_SAME: Final = 0.03  # of full scale: a change of colour that is taken for noise
_Floats = NDArray[np.float32]


class SteadyMatte:
    """Mixes what is found in a frame with what was found before, pixel by pixel.

    The more a pixel and its neighbours look as they did in the frame before, the more of the
    earlier answer is kept: a network's answer flickers where the picture does not. Where something
    moves the new answer stands alone, so that nothing is drawn out behind it.
    """

    def __init__(self, strength: float) -> None:
        """Begin with nothing.

        Args:
            strength: 0 keeps nothing, 1 up to nine tenths.
        """
        self._kept = _MOST_KEPT * strength
        self._before: tuple[_Floats, _Floats] | None = None

    def steadied(self, shares: _Floats, codes: NDArray[Any], peak: float) -> _Floats:
        """Return the matte of the next frame.

        Args:
            shares: What was found in it, 0 to 1, shape (height, width).
            codes: The frame, of any size.
            peak: Its code for 1.
        """
        height, width = shares.shape
        small: Any = cv2.resize(codes, (width, height), interpolation=cv2.INTER_AREA)
        seen: _Floats = small.astype(np.float32) / np.float32(peak)
        if self._before is not None and self._before[0].shape == shares.shape:
            earlier, seen_before = self._before
            most: Any = np.abs(seen - seen_before).max(axis=-1)
            change: _Floats = np.array(cv2.blur(most, (5, 5)), np.float32)
            kept = np.float32(self._kept) * np.exp(-((change / np.float32(_SAME)) ** 2))
            shares = (shares + kept * (earlier - shares)).astype(np.float32)
        self._before = (shares, seen)
        return shares
