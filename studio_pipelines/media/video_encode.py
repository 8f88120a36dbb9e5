"""Encode videos that this process made itself, with the colour description of their source."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Literal

import av
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from studio_pipelines.errors import InvalidParameter
from studio_pipelines.media import sniff
from studio_pipelines.media.sniff import MediaType
from studio_pipelines.media.video import VideoFormat, VideoFrame

VideoCodec = Literal["h264", "hevc", "prores", "prores4444"]

_ENCODERS: Final = {
    "h264": "libx264",
    "hevc": "libx265",
    "prores": "prores_ks",
    "prores4444": "prores_ks",
}
_RGB_FORMATS: Final = {
    (3, 1): "rgb24",
    (3, 2): "rgb48le",
    (4, 1): "rgba",
    (4, 2): "rgba64le",
}  # by channels and bytes a sample
_MP4_SOUND: Final = frozenset(("aac", "ac3", "alac", "eac3", "flac", "mp3", "opus"))
_SWSCALE_MATRICES: Final = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}  # by H.273's codes
_REC_709: Final = 1
_GOOD: Final = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_MOST_CRF: Final = 51


@dataclass(frozen=True, slots=True)
class VideoEncoding:
    """How to store a video.

    Attributes:
        codec: Of the picture; ``prores4444`` keeps alpha, straight and at 16 bits.
        crf: Constant rate factor of h264 and hevc, 0 to 51: lower is better and larger.
        preset: Speed of h264 and hevc, in x264's words.

    Raises:
        InvalidParameter: The rate factor is out of its range.
    """

    codec: VideoCodec = "h264"
    crf: int = 18
    preset: str = "veryfast"

    def __post_init__(self) -> None:
        if not 0 <= self.crf <= _MOST_CRF:
            raise InvalidParameter(f"crf is {self.crf}; it must be 0 to {_MOST_CRF}.", field="crf")

    @property
    def is_prores(self) -> bool:
        """Whether it is one of Apple's ProRes family."""
        return self.codec.startswith("prores")

    def container_for(self, sound_codecs: tuple[str, ...]) -> tuple[str, MediaType]:
        """Return FFmpeg's name of a container that holds the picture and these, and its type."""
        if self.is_prores or any(name.startswith("pcm_") for name in sound_codecs):
            return "mov", sniff.QUICKTIME
        if set(sound_codecs) <= _MP4_SOUND:
            return "mp4", sniff.MP4
        return "matroska", sniff.MATROSKA

    def options(self) -> dict[str, str]:
        """Return the encoder's options."""
        if self.codec == "prores":
            return {"profile": "hq"}
        if self.codec == "prores4444":
            return {"profile": "4444", "alpha_bits": "16"}
        quiet = {"x265-params": "log-level=error"} if self.codec == "hevc" else {}
        return {"crf": str(self.crf), "preset": self.preset, **quiet}

    def pixel_format(self, video: VideoFormat) -> str:
        """Return the sample layout: 10 bits for deep video, 4:4:4 where a side is odd."""
        if self.is_prores:
            return "yuv422p10le" if self.codec == "prores" else "yuva444p10le"
        odd = video.width_px % 2 or video.height_px % 2
        return ("yuv444p" if odd else "yuv420p") + ("10le" if video.deep else "")


class VideoWriter:
    """Takes the frames of a video one by one.

    Attributes:
        frames: How many were taken.
    """

    def __init__(self, output: Any, encoding: VideoEncoding, video: VideoFormat) -> None:
        self.frames = 0
        self._output, self._video = output, video
        self._format = encoding.pixel_format(video)
        self._reformatter = VideoReformatter()
        # ProRes has no word for the whole range: players take it for the narrow one.
        whole = video.colour.full_range and not encoding.is_prores
        self._range = ColorRange.JPEG if whole else ColorRange.MPEG
        stream = output.add_stream(
            _ENCODERS[encoding.codec], rate=video.frame_rate, options=encoding.options()
        )
        stream.width, stream.height, stream.pix_fmt = video.width_px, video.height_px, self._format
        stream.time_base = video.time_base
        context, colour = stream.codec_context, video.colour
        context.time_base = video.time_base
        context.sample_aspect_ratio = Fraction(video.pixel_aspect)
        context.color_range = self._range
        context.color_primaries, context.color_trc = colour.primaries, colour.transfer
        context.colorspace = colour.matrix
        self._stream = stream

    def write(self, frame: VideoFrame) -> None:
        """Encode a frame, RGB or RGBA; its pixels are copied."""
        colour = self._video.colour
        layout = _RGB_FORMATS[frame.pixels.shape[2], frame.pixels.itemsize]
        rgb = av.VideoFrame.from_ndarray(frame.pixels, format=layout)
        coded = self._reformatter.reformat(
            rgb,
            format=self._format,
            dst_colorspace=_SWSCALE_MATRICES.get(colour.matrix, _REC_709),
            src_color_range=ColorRange.JPEG,
            dst_color_range=self._range,
            interpolation=_GOOD,
        )
        coded.pts, coded.time_base = frame.time_stamp, self._video.time_base
        coded.color_primaries, coded.color_trc = colour.primaries, colour.transfer
        self._output.mux(self._stream.encode(coded))
        self.frames += 1

    def finish(self) -> None:
        """Encode what the encoder still holds."""
        self._output.mux(self._stream.encode(None))


@contextmanager
def writing_video(
    path: Path, encoding: VideoEncoding, video: VideoFormat
) -> Generator[VideoWriter]:
    """Write a video without sound to an MP4 or, for ProRes, a QuickTime file.

    Args:
        path: The file, created or overwritten; removed again when encoding fails.
        encoding: How to store it.
        video: What it is; its colour description is kept.

    Raises:
        OSError: The disk is full, read-only or fails.
    """
    container = "mov" if encoding.is_prores else "mp4"
    try:
        with av.open(path, "w", format=container) as output:
            writer = VideoWriter(output, encoding, video)
            yield writer
            writer.finish()
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def encoded_frames(path: Path) -> int:
    """Count the frames in a video file that we alone have written, without decoding them."""
    with av.open(path, "r") as container:
        stream = container.streams.video[0]
        return sum(packet.size > 0 for packet in container.demux(stream))
