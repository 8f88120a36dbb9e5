"""The arrays of compositing: opaque colours, and how much each pixel is covered."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint8] | NDArray[np.uint16]
"""RGB code values over their whole range, shape (height, width, 3), C-contiguous."""

Alpha = NDArray[np.uint16]
"""Shares of coverage, shape (height, width), full at 65535."""

FULL: Final = 65535
