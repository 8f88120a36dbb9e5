"""Decode the frames of a video through FFmpeg, upright and in RGB. Runs in the helper process."""

import os
import socket
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, BinaryIO

import av
import av.error
import cv2
import numpy as np
from av.container import InputContainer
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from studio_pipelines.errors import MediaTooLarge, UnusableMedia
from studio_pipelines.media import decoder_messages
from studio_pipelines.media.decoding import check_picture_size, damaged
from studio_pipelines.media.ffmpeg_input import codec_name, open_container, prepare_stream
from studio_pipelines.media.frame_ring import FrameRing
from studio_pipelines.media.limits import MediaLimits
from studio_pipelines.media.sniff import MediaType

_UNSPECIFIED = 2
_RGB, _REC_709, _REC_601 = 0, 1, 6
_HD_HEIGHT_PX = 720
_SWSCALE_MATRICES = {_REC_709: 1, 4: 4, 5: 5, _REC_601: 5, 7: 7, 9: 9, 10: 9}  # by H.273's codes
# Without them, and into packed RGB in any case, swscale is up to two codes too dark; and slower.
_GOOD = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


def serve_video(
    connection: socket.socket,
    file: BinaryIO,
    media_type: MediaType,
    limits: MediaLimits,
    request: dict[str, Any],
) -> None:
    """Tell a video's format, get a ring, and fill its slots as they become free.

    Args:
        connection: To the client, which names the free slots one by one.
        file: The video, at its start.
        media_type: What it is.
        limits: The bounds to check it against.
        request: ``start_s``, where to begin, and ``most_frames``, after how many to end.

    Raises:
        UnsupportedMedia: Its picture is coded in a way that is not read.
        UnusableMedia: It is damaged or holds no picture.
        MediaTooLarge: It exceeds a limit.
    """
    try:
        with open_container(file, media_type) as container:
            _serve(connection, container, media_type, limits, request)
    except av.error.FFmpegError as error:
        raise damaged(media_type.name, error.strerror) from error


def _serve(
    connection: socket.socket,
    container: InputContainer,
    media_type: MediaType,
    limits: MediaLimits,
    request: dict[str, Any],
) -> None:
    stream = _checked_stream(container, media_type, limits)
    if request["start_s"] > 0:
        container.seek(int(request["start_s"] * av.time_base))
    frames = container.decode(stream)
    first = next(frames, None)
    if first is None:
        raise damaged(media_type.name, "no frame could be decoded")
    check_picture_size(first.width, first.height, limits)  # the header may have said otherwise
    told = _format(container, stream, first)
    decoder_messages.send(connection, told)
    _, ring_fd = decoder_messages.receive(connection)
    assert ring_fd is not None
    ring = FrameRing(ring_fd, (told["height_px"], told["width_px"], 3), told["dtype"])
    os.close(ring_fd)
    _walk(connection, _all(first, frames), told, ring, request["most_frames"], limits)
    decoder_messages.send(connection, {"end": True})
    # The client has named free slots ahead; they must not be taken for its next request.
    while "close" not in decoder_messages.receive(connection)[0]:
        pass


def _walk(
    connection: socket.socket,
    frames: Iterator[av.VideoFrame],
    told: dict[str, Any],
    ring: FrameRing,
    wanted: int | None,
    limits: MediaLimits,
) -> None:
    """Fill the ring's slots with the frames, as they become free."""
    most = min(wanted or limits.max_frames, limits.max_frames)
    size: tuple[int, int] | None = None
    for number, frame in enumerate(frames):
        if number == most:
            _require_wanted(wanted, limits)
            break
        size = size or (frame.width, frame.height)
        if (frame.width, frame.height) != size:
            raise UnusableMedia("The video changes its size on the way.", hint="Export it again.")
        slot = _free_slot(connection)
        _write(frame, told, ring.slot(slot))
        stamp = number if frame.pts is None else frame.pts
        decoder_messages.send(connection, {"slot": slot, "time_stamp": stamp})


def _checked_stream(
    container: InputContainer, media_type: MediaType, limits: MediaLimits
) -> av.VideoStream:
    if not container.streams.video:
        raise UnusableMedia(f"The {media_type.name} file has no picture in it.")
    stream = container.streams.video[0]
    prepare_stream(stream, media_type, "picture", limits)
    stream.thread_type = "AUTO"
    check_picture_size(stream.width, stream.height, limits)
    _check_length(container, stream, limits)
    return stream


def _check_length(container: InputContainer, stream: av.VideoStream, limits: MediaLimits) -> None:
    """Refuse by its header a video that is too long; not every header says how long it is."""
    seconds = (container.duration or 0) / av.time_base
    if seconds > limits.max_duration_s:
        raise MediaTooLarge(
            f"The video is {seconds:.0f} s long; at most {limits.max_duration_s:g} s are allowed.",
            hint="Send it in parts.",
        )
    if stream.frames > limits.max_frames:
        raise MediaTooLarge(
            f"The video has {stream.frames} frames; at most {limits.max_frames} are allowed.",
            hint="Send it in parts.",
        )


def _all(first: av.VideoFrame, rest: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    yield first
    yield from rest


def _require_wanted(wanted: int | None, limits: MediaLimits) -> None:
    """Refuse to end early where the client has not asked for so few frames."""
    if wanted is None or wanted > limits.max_frames:
        raise MediaTooLarge(
            f"The video has more than {limits.max_frames} frames.", hint="Send it in parts."
        )


def _free_slot(connection: socket.socket) -> int:
    message, _ = decoder_messages.receive(connection)
    return int(message["slot"])


def _format(container: InputContainer, stream: Any, first: av.VideoFrame) -> dict[str, Any]:
    """Describe a video as a message."""
    turned = first.rotation % 180 != 0
    width, height = (first.height, first.width) if turned else (first.width, first.height)
    aspect = stream.sample_aspect_ratio or Fraction(1)
    rate = stream.average_rate or stream.guessed_rate or Fraction(25)
    deep = any(component.bits > 8 for component in first.format.components)
    seconds = container.duration / av.time_base if container.duration else None
    frames = stream.frames or (round(seconds * rate) if seconds else None)
    return {
        "width_px": width,
        "height_px": height,
        "dtype": "uint16" if deep else "uint8",
        "time_base": str(stream.time_base),
        "frame_rate": str(rate),
        "frames_stated": frames,
        "pixel_aspect": str(1 / aspect if turned else aspect),
        "colour": _colour(first),
        "sound_codecs": [name for name in map(codec_name, container.streams.audio) if name],
    }


def _colour(frame: av.VideoFrame) -> dict[str, Any]:
    matrix = int(frame.colorspace)
    if matrix == _UNSPECIFIED:
        matrix = _REC_709 if min(frame.width, frame.height) >= _HD_HEIGHT_PX else _REC_601
    return {
        "primaries": int(frame.color_primaries),
        "transfer": int(frame.color_trc),
        "matrix": matrix,
        "full_range": frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj"),
    }


_reformatter = VideoReformatter()


def _write(frame: av.VideoFrame, told: dict[str, Any], slot: Any) -> None:
    """Convert a frame to RGB of the whole range, turn it upright, and put it into a slot."""
    colour = told["colour"]
    planar = _reformatter.reformat(
        frame,
        format="gbrp16le" if told["dtype"] == "uint16" else "gbrp",
        src_colorspace=_SWSCALE_MATRICES.get(colour["matrix"], _REC_709),
        src_color_range=ColorRange.JPEG if colour["full_range"] else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        interpolation=_GOOD,
    )
    green, blue, red = (_plane(plane, slot.dtype) for plane in planar.planes)
    quarter_turns = round(frame.rotation / 90) % 4
    if quarter_turns:
        slot[...] = np.rot90(np.stack([red, green, blue], axis=-1), quarter_turns)
    else:
        cv2.merge([red, green, blue], slot)


def _plane(plane: Any, dtype: Any) -> Any:
    """Return a plane of a frame as an array on its memory."""
    rows = np.frombuffer(plane, dtype).reshape(plane.height, -1)
    return rows[:, : plane.width]
