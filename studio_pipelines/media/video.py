"""What a video is, frame by frame."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

VideoPixels = NDArray[np.uint8] | NDArray[np.uint16]
"""RGB code values over their whole range, shape (height, width, 3), C-contiguous."""


@dataclass(frozen=True, slots=True)
class VideoColour:
    """How a video's values are to be shown: code points of ITU-T H.273.

    Attributes:
        primaries: 1 is Rec. 709, 9 is Rec. 2020, 2 is not stated.
        transfer: 1 is Rec. 709, 16 is PQ, 18 is HLG, 2 is not stated.
        matrix: 1 is Rec. 709, 6 is Rec. 601, 9 is Rec. 2020; never 2: what is not stated is told by
            the picture's height, as players do.
        full_range: Whether luma uses all codes, else 16 to 235 of 255.
    """

    primaries: int = 2
    transfer: int = 2
    matrix: int = 1
    full_range: bool = False


@dataclass(frozen=True, slots=True)
class VideoFormat:
    """What is known of a video before its first frame.

    Attributes:
        width_px: Width of the upright picture.
        height_px: Height of the upright picture.
        deep: Whether samples have more than 8 bits; frames are then uint16, else uint8.
        time_base: Unit of the time stamps, in seconds.
        frame_rate: Frames a second, on average.
        frames_stated: How many frames the file says or implies that it has, or None.
        pixel_aspect: Width of a pixel over its height.
        colour: How the values are to be shown.
        sound_codecs: FFmpeg's names of the codecs of the sound tracks.
    """

    width_px: int
    height_px: int
    deep: bool
    time_base: Fraction
    frame_rate: Fraction
    frames_stated: int | None
    pixel_aspect: Fraction
    colour: VideoColour
    sound_codecs: tuple[str, ...]

    @property
    def duration_s(self) -> float | None:
        """Length in seconds as stated, or None."""
        return None if self.frames_stated is None else self.frames_stated / float(self.frame_rate)


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """One frame.

    Attributes:
        pixels: Its values; they are overwritten once the next frame is asked for.
        time_stamp: When it is shown, in the video's time base.
    """

    pixels: VideoPixels
    time_stamp: int


@dataclass(frozen=True, slots=True)
class VideoStream:
    """A video being decoded.

    Attributes:
        format: What is known of it.
        frames: Its frames, in the order in which they are shown; once.
    """

    format: VideoFormat
    frames: Iterator[VideoFrame]
