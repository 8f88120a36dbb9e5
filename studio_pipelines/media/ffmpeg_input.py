"""Open media for FFmpeg, with the formats and codecs that are read here and no others.

FFmpeg guesses formats among hundreds and carries decoders for as many codecs, most of them of games
and devices long gone, which nobody sends and few look after. Runs in the helper process.
"""

from typing import Any, BinaryIO, Final

import av
from av.container import InputContainer

from studio_pipelines.errors import UnsupportedMedia
from studio_pipelines.media import sniff
from studio_pipelines.media.limits import MediaLimits
from studio_pipelines.media.sniff import MediaType

DEMUXERS: Final = {
    sniff.MP3: "mp3",
    sniff.AAC: "aac",
    sniff.OPUS: "ogg",
    sniff.M4A: "mov",
    sniff.MP4: "mov",
    sniff.QUICKTIME: "mov",
    sniff.WEBM: "matroska",
    sniff.MATROSKA: "matroska",
    sniff.AVI: "avi",
}
"""FFmpeg's names of the formats."""

_VIDEO_CODECS: Final = (
    *("h264", "hevc", "av1", "libdav1d", "vp8", "vp9", "libvpx", "libvpx-vp9", "vvc"),
    *("mpeg4", "mpeg2video", "mpeg1video", "h263", "msmpeg4v3", "vc1", "wmv3", "theora"),
    *("prores", "dnxhd", "cfhd", "mjpeg", "jpeg2000", "dvvideo", "hap", "qtrle", "png"),
    *("ffv1", "huffyuv", "ffvhuff", "utvideo", "magicyuv"),
    *("rawvideo", "v210", "v308", "v408", "v410", "r210"),
)
_AUDIO_CODECS: Final = (
    *("aac", "mp3", "mp3float", "mp2", "mp2float", "ac3", "eac3", "opus", "libopus", "vorbis"),
    *("flac", "alac", "wavpack", "dca", "truehd", "wmav2", "adpcm_ms", "adpcm_ima_wav"),
    *("pcm_alaw", "pcm_mulaw", "pcm_u8", "pcm_s8", "pcm_s16le", "pcm_s16be", "pcm_s24le"),
    *("pcm_s24be", "pcm_s32le", "pcm_s32be", "pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be"),
    *("pcm_bluray", "pcm_dvd"),
)
_CODECS: Final = frozenset((*_VIDEO_CODECS, *_AUDIO_CODECS))
# For looking into the streams too, which decodes some of each.
_OPTIONS: Final = {"codec_whitelist": ",".join(sorted(_CODECS)), "max_streams": "128"}


def open_container(file: BinaryIO, media_type: MediaType) -> InputContainer:
    """Open a sound or video and read its header.

    Args:
        file: The file, at its start.
        media_type: What :func:`sniff.sniff` says it is.

    Raises:
        av.error.FFmpegError: It is damaged.
    """
    return av.open(
        file, "r", format=DEMUXERS[media_type], metadata_errors="replace", options=_OPTIONS
    )


def codec_name(stream: Any) -> str | None:
    """Name a stream's codec; None where it is none of those that are read."""
    context = stream.codec_context
    return context.name if context is not None and context.name in _CODECS else None


def prepare_stream(stream: Any, media_type: MediaType, what: str, limits: MediaLimits) -> None:
    """Bound a stream's decoder before it is opened.

    Args:
        stream: A stream of an open container.
        media_type: The container's format.
        what: ``sound`` or ``picture``, for the error.
        limits: The bounds; no frame may have more pixels, whatever the header says.

    Raises:
        UnsupportedMedia: Its codec is none of those that are read.
    """
    if codec_name(stream) is None:
        raise UnsupportedMedia(
            f"The {what} in the {media_type.name} file is coded in a way that cannot be read.",
            hint="Export it in a usual coding, such as H.264 and AAC.",
        )
    stream.codec_context.options = {
        "codec_whitelist": _OPTIONS["codec_whitelist"],
        "max_pixels": str(limits.max_pixels),
    }
