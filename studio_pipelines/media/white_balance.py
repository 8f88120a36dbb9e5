"""White balance as one gain for each channel of linear sRGB."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_D65_MIRED: Final = 1e6 / 6504
_DUV_PER_TINT: Final = 1 / 3000
_D65_UV: Final = np.array([0.19783, 0.31221])
_XYZ_TO_RGB: Final = np.array(
    [
        [3.2404542, -1.5371385, -0.4985314],
        [-0.9692660, 1.8760108, 0.0415560],
        [0.0556434, -0.2040259, 1.0572252],
    ]
)
_LUMA: Final = np.array([0.2126, 0.7152, 0.0722])


def white_balance_gains(temperature_mired: float, tint: float) -> tuple[float, float, float]:
    """Return the gains that move the white from D65, with luminance kept.

    The white moves from D65 by as much as the Planckian locus moves between 6504 K and the
    shifted temperature, then across the locus by the tint.

    Args:
        temperature_mired: Shift in micro reciprocal degrees, -100 to 100; positive is warmer.
        tint: Shift in 1/3000 of Duv, -100 to 100; positive is towards magenta.
    """
    mired = _D65_MIRED + temperature_mired
    along = planckian_uv(mired + 0.5) - planckian_uv(mired - 0.5)
    towards_magenta = np.array([along[1], -along[0]]) / np.hypot(*along)
    if towards_magenta[1] > 0:
        towards_magenta = -towards_magenta
    uv = _D65_UV + planckian_uv(mired) - planckian_uv(_D65_MIRED)
    gains = _linear_rgb(uv + towards_magenta * tint * _DUV_PER_TINT) / _linear_rgb(_D65_UV)
    red, green, blue = (gains / (gains @ _LUMA)).tolist()
    return red, green, blue


def planckian_uv(mired: float) -> NDArray[np.float64]:
    """Return CIE 1960 (u, v) of a black body (Krystek, 1985: 1000 K to 15 000 K, smooth beyond)."""
    t = 1e6 / mired
    u = (0.860117757 + 1.54118254e-4 * t + 1.28641212e-7 * t * t) / (
        1 + 8.42420235e-4 * t + 7.08145163e-7 * t * t
    )
    v = (0.317398726 + 4.22806245e-5 * t + 4.20481691e-8 * t * t) / (
        1 - 2.89741816e-5 * t + 1.61456053e-7 * t * t
    )
    return np.array([u, v])


def _linear_rgb(uv: NDArray[np.float64]) -> NDArray[np.float64]:
    u, v = uv
    x, y = 3 * u / (2 * u - 8 * v + 4), 2 * v / (2 * u - 8 * v + 4)
    return _XYZ_TO_RGB @ np.array([x / y, 1.0, (1 - x - y) / y])
