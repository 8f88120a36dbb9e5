"""Powers of float32 that the compiler can run across vector lanes; libm's cannot."""

from typing import Final

import numpy as np
from numba import njit

_SQRT_HALF_BITS: Final = np.int32(0x3F3504F3)
_F32: Final = np.float32
_LOG2: Final = tuple(_F32(2 / np.log(2) / k) for k in (1, 3, 5, 7, 9))
_EXP2: Final = tuple(
    _F32(c) for c in np.log(2) ** np.arange(8) / np.cumprod([1, 1, 2, 3, 4, 5, 6, 7])
)
_L0, _L1, _L2, _L3, _L4 = _LOG2
_E0, _E1, _E2, _E3, _E4, _E5, _E6, _E7 = _EXP2


@njit(cache=True, nogil=True, fastmath={"nsz", "contract"}, error_model="numpy")
def float_power(x: np.float32, exponent: np.float32) -> np.float32:
    """Return x to a power, for finite x > 2**-126, to about 1e-6 relative.

    log2 is the odd series of 2·artanh on a mantissa in [√½, √2); 2 to a fraction in ±½ is the
    Taylor series to the seventh power. Results beyond float32's range stop at its ends.
    """
    bits = np.float32(x).view(np.int32)
    octave = np.int32((bits - _SQRT_HALF_BITS) >> np.int32(23))
    mantissa = np.int32(bits - np.int32(octave << np.int32(23))).view(np.float32)
    s = (mantissa - _F32(1)) / (mantissa + _F32(1))
    z = s * s
    log2 = s * (_L0 + z * (_L1 + z * (_L2 + z * (_L3 + z * _L4))))
    y = exponent * (np.float32(octave) + log2)
    y = max(_F32(-126), y)
    y = min(_F32(127), y)
    whole = np.floor(y + _F32(0.5))
    f = y - whole
    power = _E0 + f * (_E1 + f * (_E2 + f * (_E3 + f * (_E4 + f * (_E5 + f * (_E6 + f * _E7))))))
    scale = np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)).view(np.float32)
    return np.float32(power * scale)
