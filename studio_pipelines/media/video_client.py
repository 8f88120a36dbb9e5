"""Read a video frame by frame, and copy its sound, by way of the confined helper.

However long the video is, four frames of it are in memory.
"""

import os
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

from studio_pipelines.errors import StudioError
from studio_pipelines.media import decoder_messages
from studio_pipelines.media.decoder import Decoder
from studio_pipelines.media.decoder_child import DecoderChild
from studio_pipelines.media.frame_ring import SLOTS, FrameRing, new_ring_file
from studio_pipelines.media.limits import MediaLimits
from studio_pipelines.media.media_source import Source, accepted_type, opened
from studio_pipelines.media.sniff import Media
from studio_pipelines.media.video import VideoColour, VideoFormat, VideoFrame, VideoStream


@contextmanager
def open_video(
    decoder: Decoder,
    source: Source,
    *,
    field: str | None = None,
    start_s: float = 0.0,
    most_frames: int | None = None,
) -> Generator[VideoStream]:
    """Decode a video; the decoder serves nobody else until the block ends.

    Args:
        decoder: Whose helper does it.
        source: An MP4, QuickTime, WebM, Matroska or AVI video; told by its content.
        field: The request field to name in errors.
        start_s: From where on, at the frame that can be decoded alone before it.
        most_frames: After how many frames to end; None for all.

    Raises:
        UnsupportedMedia: The file is no video of an accepted kind.
        UnusableMedia: It is damaged; also raised by the frames.
        MediaTooLarge: It exceeds a limit; also raised by the frames.
    """
    try:
        with opened(source) as fd:
            accepted_type(fd, Media.VIDEO)
            with decoder.conversation() as (child, limits):
                request: dict[str, Any] = {
                    "want": Media.VIDEO.value,
                    "limits": asdict(limits),
                    "start_s": start_s,
                    "most_frames": most_frames,
                }
                decoder_messages.send(child.connection, request, fd)
                told = _format(_answer(child, limits), limits)
                reading = _Reading(child, limits, told)
                yield VideoStream(told, reading.frames())
                reading.require_end()
    except StudioError as error:
        error.field = error.field or field
        raise


def join_sound(
    decoder: Decoder, sound_of: Source, picture: Path, target: Path, container: str
) -> int:
    """Write a file with one video's picture and another's sound, both as they are encoded.

    Args:
        decoder: Whose helper does it.
        sound_of: The video that has the sound.
        picture: The video that has the picture, of our own making.
        target: The file, created or overwritten.
        container: FFmpeg's name of its format.

    Returns:
        How many frames the file has: what holds the other's sound is not opened in this process.

    Raises:
        UnusableMedia: The sound is damaged.
    """
    with opened(sound_of) as fd, decoder.conversation() as (child, limits):
        request = {"want": decoder_messages.JOIN, "container": container}
        request |= {"limits": asdict(limits)}
        decoder_messages.send(child.connection, request, fd)
        _answer(child, limits)
        with picture.open("rb") as seen, target.open("w+b") as out:
            decoder_messages.send(child.connection, {}, seen.fileno())
            decoder_messages.send(child.connection, {}, out.fileno())
            return int(_answer(child, limits)["frames"])


class _Reading:
    """One walk through a video."""

    def __init__(self, child: DecoderChild, limits: MediaLimits, told: VideoFormat) -> None:
        shape = (told.height_px, told.width_px, 3)
        dtype = "uint16" if told.deep else "uint8"
        fd = new_ring_file(shape, dtype)
        try:
            self._ring = FrameRing(fd, shape, dtype)
            decoder_messages.send(child.connection, {}, fd)
        finally:
            os.close(fd)
        self._child, self._limits = child, limits
        self._ended = False

    def frames(self) -> Iterator[VideoFrame]:
        for slot in range(SLOTS):
            self._free(slot)
        while True:
            message = _answer(self._child, self._limits)
            if "end" in message:
                decoder_messages.send(self._child.connection, {"close": True})
                self._ended = True
                return
            slot = int(message["slot"])
            if not 0 <= slot < SLOTS:
                raise EOFError
            yield VideoFrame(self._ring.slot(slot), int(message["time_stamp"]))
            self._free(slot)

    def require_end(self) -> None:
        """Have the helper ended where the walk was not: it is in the middle of it."""
        if not self._ended:
            self._child.stop()

    def _free(self, slot: int) -> None:
        decoder_messages.send(self._child.connection, {"slot": slot})


def _answer(child: DecoderChild, limits: MediaLimits) -> dict[str, Any]:
    return child.answer(time.monotonic() + limits.decode_timeout_s)


def _format(told: dict[str, Any], limits: MediaLimits) -> VideoFormat:
    """Check what the helper says: it may be in the hands of a hostile file."""
    try:
        return _checked_format(told, limits)
    except (ArithmeticError, KeyError, TypeError, ValueError) as error:
        raise EOFError from error


def _checked_format(told: dict[str, Any], limits: MediaLimits) -> VideoFormat:
    width_px, height_px = int(told["width_px"]), int(told["height_px"])
    sides = min(width_px, height_px) > 0 and max(width_px, height_px) <= limits.max_side_px
    if not sides or width_px * height_px > limits.max_pixels:
        raise EOFError
    frames = told["frames_stated"]
    return VideoFormat(
        width_px=width_px,
        height_px=height_px,
        deep=told["dtype"] == "uint16",
        time_base=Fraction(told["time_base"]),
        frame_rate=Fraction(told["frame_rate"]),
        frames_stated=None if frames is None else int(frames),
        pixel_aspect=Fraction(told["pixel_aspect"]),
        colour=VideoColour(**told["colour"]),
        sound_codecs=tuple(str(name) for name in told["sound_codecs"]),
    )
