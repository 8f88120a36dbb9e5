"""Decode sound through libsndfile: WAV, RF64, FLAC, AIFF, Ogg Vorbis. Runs in the helper process.

What libsndfile does not read goes to :mod:`ffmpeg_audio_decode`.
"""

from typing import Any, BinaryIO

import numpy as np
import soundfile  # pyright: ignore[reportMissingTypeStubs]

from studio_pipelines.errors import UnusableMedia
from studio_pipelines.media import sniff
from studio_pipelines.media.audio_lengths import missing_chunk_bytes, ogg_has_end
from studio_pipelines.media.decoding import Pending, damaged
from studio_pipelines.media.ffmpeg_audio_decode import open_with_ffmpeg
from studio_pipelines.media.limits import MediaLimits
from studio_pipelines.media.sample_writer import SampleWriter, check_sound_format
from studio_pipelines.media.sniff import MediaType

_BLOCK_FRAMES = 1 << 16
_SNDFILE_TYPES = (sniff.WAV, sniff.FLAC, sniff.AIFF, sniff.OGG)
_LAYOUTS = {1: "mono", 2: "stereo", 4: "quad", 6: "5.1", 8: "7.1"}
_ROUNDED = {
    "PCM_32": "The 32-bit samples were rounded to 32-bit floating point.",
    "DOUBLE": "The 64-bit samples were rounded to 32-bit floating point.",
}


def open_audio(file: BinaryIO, media_type: MediaType, limits: MediaLimits) -> Pending:
    """Read a sound's header and check it.

    Args:
        file: The sound, or a video that has one, at its start.
        media_type: What :func:`sniff.sniff` says it is.
        limits: The bounds to check it against.

    Raises:
        UnusableMedia: It is damaged, cut off or has no sound; also raised by ``write``.
        MediaTooLarge: It exceeds a limit; also raised by ``write``.
    """
    if media_type not in _SNDFILE_TYPES:
        return open_with_ffmpeg(file, media_type, limits)
    _refuse_cut_off(file, media_type)
    try:
        sound = soundfile.SoundFile(file.fileno(), closefd=False)
    except soundfile.LibsndfileError as error:
        raise damaged(media_type.name, error.error_string) from error
    check_sound_format(
        channels=sound.channels,
        sample_rate_hz=sound.samplerate,
        frames=sound.frames,
        limits=limits,
    )

    def write(fd: int) -> dict[str, Any]:
        with sound:
            return _write(sound, fd, media_type, limits)

    return Pending(sound.frames * sound.channels * 4, write)


def _refuse_cut_off(file: BinaryIO, media_type: MediaType) -> None:
    if media_type in (sniff.WAV, sniff.AIFF) and (missing := missing_chunk_bytes(file)):
        raise UnusableMedia(
            f"The {media_type.name} file is cut off: {missing} bytes of its sound are missing.",
            hint="Send it again in full.",
        )
    if media_type is sniff.OGG and not ogg_has_end(file):
        raise UnusableMedia(
            "The Ogg file is cut off: the end of its stream is missing.",
            hint="Send it again in full.",
        )


def _write(
    sound: soundfile.SoundFile, fd: int, media_type: MediaType, limits: MediaLimits
) -> dict[str, Any]:
    writer = SampleWriter(fd, sound.channels, sound.samplerate, limits)
    block = np.empty((_BLOCK_FRAMES, sound.channels), dtype=np.float32)
    try:
        while count := len(sound.read(_BLOCK_FRAMES, always_2d=True, out=block)):
            writer.write(block[:count])
    except soundfile.LibsndfileError as error:
        raise damaged(media_type.name, error.error_string) from error
    if 0 < writer.frames < sound.frames:
        raise UnusableMedia(
            f"The {media_type.name} file is damaged or cut off: its header promises "
            f"{sound.frames / sound.samplerate:.2f} s, "
            f"{writer.frames / sound.samplerate:.2f} s were found.",
            hint="Send it again in full.",
        )
    subtype = str(sound.subtype)
    return writer.details(
        channel_layout=_LAYOUTS.get(sound.channels, f"{sound.channels} channels"),
        codec=subtype.lower(),
        tags=dict(sound.copy_metadata()),
        notes=[_ROUNDED[subtype]] if subtype in _ROUNDED else [],
    )
