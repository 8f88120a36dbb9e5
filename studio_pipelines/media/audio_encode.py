"""Write samples to sound files, block by block: WAV, FLAC, MP3, AAC and Opus."""

from pathlib import Path
from typing import Any, BinaryIO, Self, cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.error import FFmpegError
from numpy.typing import NDArray

from studio_pipelines.errors import InvalidParameter
from studio_pipelines.media.audio_encoding import (
    CODECS,
    LOSSY_CODECS,
    PCM_CODECS,
    AudioEncoding,
)
from studio_pipelines.media.k_weighting import usable_layout

_DITHER_SEED = 1770
_MOVED_BYTES = 400_000_000


class AudioEncoder:
    """Writes one file, block by block; a context manager.

    Args:
        target: File to write (a path, or a seekable binary file open for writing).
        encoding: Format and settings.
        sample_rate_hz: Rate of the blocks, one that ``AudioEncoding.sample_rate_hz`` keeps.
        channels: 1 to 8; mp3 holds 2.
        channel_layout: FFmpeg's name of it; the usual one of ``channels`` where it does not fit.
        tags: Title, artist and so on; the container keeps those that it has a place for.
        frames: How long it will be, as far as is known.

    Raises:
        InvalidParameter: The format cannot hold that many channels or that layout.
    """

    def __init__(
        self,
        target: Path | BinaryIO,
        encoding: AudioEncoding,
        sample_rate_hz: int,
        channels: int,
        *,
        channel_layout: str = "",
        tags: dict[str, str] | None = None,
        frames: int = 0,
    ) -> None:
        codec = CODECS[encoding.format]
        encoding.require_room_for(channels)
        self._encoding = encoding
        self._layout = usable_layout(channels, channel_layout)
        self._rate = sample_rate_hz
        self._position = 0
        self._dither = np.random.default_rng(_DITHER_SEED)
        self._sample_format = _sample_format(encoding)
        kbps = encoding.bitrate_kbps or codec.kbps_per_channel * channels
        size, in_file = 125 * kbps * frames // sample_rate_hz, isinstance(target, Path)
        self._container = av.open(
            *(str(target) if in_file else target, "w"),
            format=codec.container,
            container_options=_container_options(encoding, in_file=in_file, size=size),
        )
        self._container.metadata.update(tags or {})
        stream = self._container.add_stream(  # pyright: ignore[reportUnknownMemberType]
            _codec_name(encoding), rate=sample_rate_hz, layout=self._layout
        )
        self._stream = cast("AudioStream", stream)
        if encoding.is_lossy:
            self._stream.bit_rate = 1000 * kbps
        else:
            self._stream.codec_context.format = av.AudioFormat(self._sample_format)
        self._open(encoding.format)

    def _open(self, name: str) -> None:
        try:
            self._stream.codec_context.open()
        except FFmpegError as error:
            self._container.close()
            raise InvalidParameter(
                f"{name} cannot hold {self._layout} sound at {self._rate} samples a second",
                field="format",
                hint="Take wav or flac.",
            ) from error

    def write(self, samples: NDArray[np.float32]) -> None:
        """Encode the next block, (frames, channels) float32; integers clip at full scale."""
        if not len(samples):
            return
        stored = np.ascontiguousarray(self._stored(samples)).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(stored, self._sample_format, self._layout)
        frame.sample_rate = self._rate
        frame.pts = self._position
        self._position += len(samples)
        self._encode(frame)

    def _encode(self, frame: av.AudioFrame | None) -> None:
        packets = self._stream.encode(frame)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        self._container.mux(packets)  # pyright: ignore[reportUnknownMemberType]

    def _stored(self, samples: NDArray[np.float32]) -> NDArray[Any]:
        if self._sample_format == "flt":
            return samples
        depth = self._encoding.depth
        # A float32 has no room for noise below its 24 bits.
        wide = np.float64 if self._encoding.is_dithered and depth == 24 else np.float32
        scale = wide(1 << (depth - 1))
        scaled = samples.astype(wide) * scale
        if self._encoding.is_dithered:
            scaled += self._dither.random(samples.shape, np.float32)
            scaled -= self._dither.random(samples.shape, np.float32)
        np.rint(scaled, out=scaled)
        np.clip(scaled, -scale, scale - 1, out=scaled)
        # FFmpeg takes 24 bits in the upper three bytes of 32.
        return scaled.astype(np.int16) if depth == 16 else scaled.astype(np.int32) << 8

    def close(self) -> None:
        """Finish the file."""
        if self._position:
            self._encode(None)
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_details: object) -> None:
        end = self.close if kind is None else self._container.close
        end()


def _codec_name(encoding: AudioEncoding) -> str:
    if encoding.format == "wav":
        return PCM_CODECS[encoding.depth]
    return LOSSY_CODECS.get(encoding.format, encoding.format)


def _sample_format(encoding: AudioEncoding) -> str:
    depth = encoding.depth
    return "flt" if encoding.is_lossy or depth == 32 else "s16" if depth == 16 else "s32"


def _container_options(encoding: AudioEncoding, *, in_file: bool, size: int) -> dict[str, str]:
    if encoding.format == "wav":
        return {"rf64": "auto"}  # beyond 4 GiB, EBU Tech 3306
    # Players can begin before the whole file has come; no interrupt ends the moving of a large one.
    if encoding.format == "aac" and in_file and size < _MOVED_BYTES:
        return {"movflags": "faststart"}
    return {}
