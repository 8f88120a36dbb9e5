"""Decode sound through FFmpeg: MP3, M4A, AAC, Opus and the sound of videos. In the helper process.

Encoder delay and padding are cut where the container states them: FFmpeg drops the delay; the
padding at the end of MP4 is cut here, by its edit list and by where its last packet ends (an edit
list often counts in whole milliseconds, which is too coarse alone).
"""

import itertools
import os
from collections.abc import Iterator
from typing import Any, BinaryIO

import av
import av.error
import numpy as np
from av.container import InputContainer

from studio_pipelines.errors import UnusableMedia
from studio_pipelines.media import sniff
from studio_pipelines.media.audio import Samples
from studio_pipelines.media.audio_lengths import mp3_states_length, ogg_has_end
from studio_pipelines.media.decoding import Pending, damaged
from studio_pipelines.media.ffmpeg_input import DEMUXERS, open_container, prepare_stream
from studio_pipelines.media.limits import MediaLimits
from studio_pipelines.media.sample_writer import SampleWriter, check_sound_format
from studio_pipelines.media.sniff import MediaType

_BATCH_FRAMES = 64
_LOST_FRAMES_TOLERATED = 4096
"""Two coded frames of the longest kind: how encoders round a stated length."""
_PACKED_RATIO = 16
"""How much longer decoded float samples are than coded ones, for lack of a stated length."""


def open_with_ffmpeg(file: BinaryIO, media_type: MediaType, limits: MediaLimits) -> Pending:
    """Read the header of a sound or video and check it.

    Raises:
        UnsupportedMedia: Its sound is coded in a way that is not read.
        UnusableMedia: It is damaged, cut off or has no sound; also raised by ``write``.
        MediaTooLarge: It exceeds a limit; also raised by ``write``.
    """
    if media_type is sniff.OPUS and not ogg_has_end(file):
        raise UnusableMedia(
            "The Opus file is cut off: the end of its stream is missing.",
            hint="Send it again in full.",
        )
    try:
        container = open_container(file, media_type)
    except av.error.FFmpegError as error:
        raise damaged(media_type.name, error.strerror) from error
    if not container.streams.audio:
        raise UnusableMedia(
            f"The {media_type.name} file has no sound in it.", hint="Send a file with sound."
        )
    stream = container.streams.audio[0]
    prepare_stream(stream, media_type, "sound", limits)
    promised = _promised_frames(stream, media_type, file)
    check_sound_format(
        channels=stream.channels, sample_rate_hz=stream.rate, frames=promised, limits=limits
    )

    def write(fd: int) -> dict[str, Any]:
        with container:
            return _write(container, stream, fd, media_type, promised, limits)

    coded_bytes = os.fstat(file.fileno()).st_size
    expected = coded_bytes * _PACKED_RATIO if promised is None else promised * stream.channels * 4
    return Pending(expected, write)


def _promised_frames(stream: av.AudioStream, media_type: MediaType, file: BinaryIO) -> int | None:
    """The length that the container states, in frames; None where FFmpeg would only guess it."""
    stated = DEMUXERS[media_type] == "mov" or (media_type is sniff.MP3 and mp3_states_length(file))
    if not stated or not stream.duration or stream.time_base is None:
        return None
    return round(stream.duration * stream.time_base * stream.rate)


class _Decoding:
    """The decoded frames of one stream, in batches worth writing.

    Attributes:
        end_s: Where the last packet read so far ends, in the stream's own time.
    """

    def __init__(self, container: InputContainer, stream: av.AudioStream) -> None:
        self.end_s = 0.0
        self._container = container
        self._stream = stream

    def batches(self) -> Iterator[list[av.AudioFrame]]:
        """Decode to the end; frames mostly have about a thousand samples each."""
        frames = self._frames()
        while batch := list(itertools.islice(frames, _BATCH_FRAMES)):
            yield batch

    def _frames(self) -> Iterator[av.AudioFrame]:
        for packet in self._container.demux(self._stream):
            if packet.pts is not None and packet.duration:
                end = (packet.pts + packet.duration) * packet.time_base
                self.end_s = max(self.end_s, float(end))
            yield from packet.decode()


def _write(
    container: InputContainer,
    stream: av.AudioStream,
    fd: int,
    media_type: MediaType,
    promised: int | None,
    limits: MediaLimits,
) -> dict[str, Any]:
    decoding = _Decoding(container, stream)
    writer: SampleWriter | None = None
    layout = ""
    try:
        for frames in decoding.batches():
            if writer is None:
                layout = frames[0].layout.name
                writer = _writer_for(frames[0], fd, limits)
            for frame in frames:
                _refuse_change(frame, writer)
            writer.write(np.concatenate([_samples(frame, writer.channels) for frame in frames]))
    except av.error.FFmpegError as error:
        raise damaged(media_type.name, error.strerror) from error
    if writer is None:
        raise damaged(media_type.name, "no sound could be decoded")
    if promised is not None:
        _settle_length(writer, media_type, promised, decoding.end_s)
    return writer.details(
        channel_layout=layout,
        codec=stream.codec_context.name,
        tags={**container.metadata, **stream.metadata},
        notes=[],
    )


def _writer_for(frame: av.AudioFrame, fd: int, limits: MediaLimits) -> SampleWriter:
    """Go by the first decoded frame: high-efficiency AAC has twice the rate of its header."""
    channels, rate_hz = frame.layout.nb_channels, frame.sample_rate
    check_sound_format(channels=channels, sample_rate_hz=rate_hz, frames=None, limits=limits)
    return SampleWriter(fd, channels, rate_hz, limits)


def _refuse_change(frame: av.AudioFrame, writer: SampleWriter) -> None:
    if (frame.sample_rate, frame.layout.nb_channels) != (writer.sample_rate_hz, writer.channels):
        raise UnusableMedia(
            "The sound changes its sampling frequency or channels on the way.",
            hint="Export it again.",
        )


def _settle_length(
    writer: SampleWriter, media_type: MediaType, promised: int, end_s: float
) -> None:
    """Refuse a sound that is shorter than promised, and cut the padding off an MP4's."""
    rate_hz = writer.sample_rate_hz
    if writer.frames < promised - _LOST_FRAMES_TOLERATED:
        raise damaged(
            media_type.name,
            f"{promised / rate_hz:.2f} s promised, {writer.frames / rate_hz:.2f} s found",
        )
    if DEMUXERS[media_type] == "mov":
        writer.trim(min(promised, round(end_s * rate_hz)))


def _samples(frame: av.AudioFrame, channels: int) -> Samples:
    """Samples of shape (frames, channels) at full scale 1; integers divide exactly."""
    array = frame.to_ndarray()
    interleaved = array.T if frame.format.is_planar else array.reshape(-1, channels)
    if array.dtype.kind == "f":
        return interleaved.astype(np.float32, copy=False)
    if array.dtype == np.uint8:
        return (interleaved.astype(np.float32) - 128.0) / 128.0
    return interleaved.astype(np.float32) / np.float32(-float(np.iinfo(array.dtype.name).min))
