"""K-weighting: how ITU-R BS.1770-5 weights frequencies and channels for loudness."""

import math

import numpy as np
from av import AudioLayout
from numba import njit
from numpy.typing import NDArray

from studio_pipelines.errors import UnusableMedia

MOST_CHANNELS = 8
_DEFAULT_LAYOUTS = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")


def channel_weights(
    channels: int, channel_layout: str = "", *, dual_mono: bool = False
) -> NDArray[np.float64]:
    """Give each channel's weight, ITU-R BS.1770-5 Annex 3.

    Channels 60 to 120 degrees to the side and below 30 degrees of elevation count 1.41, the
    low-frequency channels 0, all others 1.

    Args:
        channels: 1 to 8.
        channel_layout: A layout that FFmpeg names, such as ``5.1``; where it is unknown or of
            another number of channels, the usual one for ``channels`` is taken.
        dual_mono: Count a single channel as the two loudspeakers that will play it (+3.01 LU).

    Raises:
        UnusableMedia: There are no channels, or more than 8.
    """
    names = [
        channel.name for channel in AudioLayout(usable_layout(channels, channel_layout)).channels
    ]
    sides = {"SL", "SR"} if {"SL", "SR"} & set(names) else {"BL", "BR"}
    weights = [0.0 if n.startswith("LFE") else 1.41 if n in sides else 1.0 for n in names]
    return np.array(weights) * (2.0 if dual_mono and channels == 1 else 1.0)


def usable_layout(channels: int, channel_layout: str = "") -> str:
    """Give FFmpeg's name of the layout: the one given if it fits, else the usual one.

    Raises:
        UnusableMedia: There are no channels, or more than 8.
    """
    if not 1 <= channels <= MOST_CHANNELS:
        raise UnusableMedia(
            f"the sound has {channels} channels; 1 to {MOST_CHANNELS} can be measured",
            field="audio",
            hint="Mix it down to stereo first.",
        )
    try:
        fits = AudioLayout(channel_layout).nb_channels == channels
    except ValueError:
        fits = False
    return channel_layout if fits else _DEFAULT_LAYOUTS[channels - 1]


def k_weighting(sample_rate_hz: int) -> NDArray[np.float64]:
    """Design the two K-weighting sections for any sample rate.

    The analogue prototypes are those whose bilinear transform at 48 kHz gives the coefficients
    tabulated in ITU-R BS.1770-5 Annex 1 (De Man, "Evaluation of implementations of the EBU R128
    loudness measurement", AES 145, 2018).

    Returns:
        (2, 5) float64: b0, b1, b2, a1, a2 of the shelf and of the high-pass.
    """
    k = math.tan(math.pi * 1681.974450955533 / sample_rate_hz)
    q, high = 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    a0 = 1 + k / q + k * k
    shelf = [
        (high + band * k / q + k * k) / a0,
        2 * (k * k - high) / a0,
        (high - band * k / q + k * k) / a0,
        2 * (k * k - 1) / a0,
        (1 - k / q + k * k) / a0,
    ]
    k, q = math.tan(math.pi * 38.13547087602444 / sample_rate_hz), 0.5003270373238773
    a0 = 1 + k / q + k * k
    return np.array([shelf, [1.0, -2.0, 1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0]])


@njit(cache=True, nogil=True)
def add_weighted_energies(  # pragma: no cover - compiled
    samples: NDArray[np.float32],
    sections: NDArray[np.float64],
    state: NDArray[np.float64],
    position: int,
    sample_rate_hz: int,
    energies: NDArray[np.float64],
    peaks: NDArray[np.float64],
) -> None:
    """Filter a block; give squares and largest sample of each 10 ms step that it completes.

    Args:
        samples: (frames, channels).
        sections: From ``k_weighting``.
        state: (channels, 6), zeros at the start; the filters' delays, the open step's sum and peak.
        position: Frames that came before.
        sample_rate_hz: The rate; step ``k`` ends before frame ``ceil((k + 1) rate / 100)``.
        energies: (completed steps, channels), written: sums of squares behind the filters.
        peaks: (completed steps, channels), written: largest absolute samples before them.
    """
    b0, b1, b2, a1, a2 = sections[0]
    c1, c2 = sections[1, 3], sections[1, 4]
    for channel in range(samples.shape[1]):
        s1, s2, t1, t2, total, peak = state[channel]
        step = position * 100 // sample_rate_hz
        first = step
        end = ((step + 1) * sample_rate_hz + 99) // 100 - position
        for n in range(samples.shape[0]):
            x = np.float64(samples[n, channel])
            y = b0 * x + s1
            s1 = b1 * x - a1 * y + s2
            s2 = b2 * x - a2 * y
            z = y + t1
            t1 = -2.0 * y - c1 * z + t2
            t2 = y - c2 * z
            total += z * z
            if abs(x) > peak:
                peak = abs(x)
            if n + 1 == end:
                energies[step - first, channel] = total
                peaks[step - first, channel] = peak
                total = peak = 0.0
                step += 1
                end = ((step + 1) * sample_rate_hz + 99) // 100 - position
        if abs(t1) + abs(t2) + abs(s1) + abs(s2) < 1e-30:  # subnormal numbers are slow
            s1 = s2 = t1 = t2 = 0.0
        state[channel, 0], state[channel, 1] = s1, s2
        state[channel, 2], state[channel, 3] = t1, t2
        state[channel, 4], state[channel, 5] = total, peak
