"""Write samples to sound files, block by block: WAV, FLAC, MP3, AAC and Opus."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self, cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.error import FFmpegError
from numpy.typing import NDArray

from studio_pipelines.errors import InvalidParameter
from studio_pipelines.media.k_weighting import usable_layout

AudioFormat = Literal["wav", "flac", "mp3", "aac", "opus"]
DEFAULT_BIT_DEPTH = 24
_DITHER_SEED = 1770
_MOVED_BYTES = 400_000_000
_MPEG_RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


@dataclass(frozen=True)
class _Codec:
    container: str
    media_type: str
    extension: str
    bit_depths: tuple[int, ...] = ()
    kbps_per_channel: int = 0
    most_kbps: int = 0
    most_channels: int = 8
    sample_rates_hz: tuple[int, ...] = ()


_CODECS: dict[AudioFormat, _Codec] = {
    "wav": _Codec("wav", "audio/wav", "wav", bit_depths=(16, 24, 32)),
    "flac": _Codec("flac", "audio/flac", "flac", bit_depths=(16, 24)),
    "mp3": _Codec("mp3", "audio/mpeg", "mp3", (), 160, 320, 2, _MPEG_RATES_HZ),
    "aac": _Codec("ipod", "audio/mp4", "m4a", (), 128, 1024, 8, (*_MPEG_RATES_HZ, 88_200, 96_000)),
    "opus": _Codec("ogg", "audio/ogg", "ogg", (), 96, 1024, 8, (48_000,)),
}
_PCM_CODECS = {16: "pcm_s16le", 24: "pcm_s24le", 32: "pcm_f32le"}
_LOSSY_CODECS = {"mp3": "libmp3lame", "aac": "aac", "opus": "libopus"}


@dataclass(frozen=True)
class AudioEncoding:
    """A file format with its settings.

    Attributes:
        format: ``wav``, ``flac``, ``mp3``, ``aac`` (in MP4) or ``opus`` (in Ogg).
        bit_depth: 16 (with triangular dither), 24 or, for wav, 32 (float); None is 24. Not for
            lossy formats.
        bitrate_kbps: Of lossy formats; None is 160 (mp3), 128 (aac) or 96 (opus) a channel.

    Raises:
        InvalidParameter: The settings don't go together.
    """

    format: AudioFormat = "wav"
    bit_depth: int | None = None
    bitrate_kbps: int | None = None

    def __post_init__(self) -> None:
        codec = _CODECS[self.format]
        if self.bit_depth is not None and self.bit_depth not in codec.bit_depths:
            allowed = ", ".join(map(str, codec.bit_depths)) or "none: it is lossy"
            raise InvalidParameter(
                f"{self.format} has no bit depth of {self.bit_depth} (it has {allowed})",
                field="bitDepth",
                hint="Leave bitDepth out, or take wav, which has 16, 24 and 32.",
            )
        if self.bitrate_kbps is not None and not 8 <= self.bitrate_kbps <= codec.most_kbps:
            raise InvalidParameter(
                f"{self.format} has no bit rate of {self.bitrate_kbps} kbit/s",
                field="bitrate",
                hint=f"Take 8 to {codec.most_kbps}." if self.is_lossy else "Leave bitrate out.",
            )

    @property
    def is_lossy(self) -> bool:
        """Whether decoding gives other samples than were encoded."""
        return self.format in _LOSSY_CODECS

    @property
    def media_type(self) -> str:
        """Media type of the file."""
        return _CODECS[self.format].media_type

    @property
    def extension(self) -> str:
        """The usual extension of the file, without a dot."""
        return _CODECS[self.format].extension

    @property
    def quantisation_step(self) -> float:
        """Largest change of a sample by rounding and dither, linear; 0 for float and lossy."""
        depth = self.bit_depth or DEFAULT_BIT_DEPTH
        if self.is_lossy or depth == 32:
            return 0.0
        return (1.5 if depth == 16 else 0.5) * 2.0 ** (1 - depth)

    def require_room_for(self, channels: int) -> None:
        """Raise InvalidParameter where there are more channels than the format holds."""
        most = _CODECS[self.format].most_channels
        if channels > most:
            raise InvalidParameter(
                f"{self.format} holds {most} channels, not {channels}",
                field="format",
                hint="Take wav, flac, aac or opus.",
            )

    def sample_rate_hz(self, source_rate_hz: int) -> int:
        """Give the rate that the format stores a source at: its own wherever that exists.

        Otherwise the next higher one, or the highest that divides it without a remainder.
        """
        rates = _CODECS[self.format].sample_rates_hz
        if not rates or source_rate_hz in rates:
            return source_rate_hz
        higher = [rate for rate in rates if rate > source_rate_hz]
        whole = [rate for rate in rates if source_rate_hz % rate == 0]
        return min(higher) if higher else max(whole, default=max(rates))


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
        codec = _CODECS[encoding.format]
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
        depth = self._encoding.bit_depth or DEFAULT_BIT_DEPTH
        scale = np.float32(1 << (depth - 1))
        scaled = samples * scale
        if depth == 16:
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
        return _PCM_CODECS[encoding.bit_depth or DEFAULT_BIT_DEPTH]
    return _LOSSY_CODECS.get(encoding.format, encoding.format)


def _sample_format(encoding: AudioEncoding) -> str:
    depth = encoding.bit_depth or DEFAULT_BIT_DEPTH
    return "flt" if encoding.is_lossy or depth == 32 else "s16" if depth == 16 else "s32"


def _container_options(encoding: AudioEncoding, *, in_file: bool, size: int) -> dict[str, str]:
    if encoding.format == "wav":
        return {"rf64": "auto"}  # beyond 4 GiB, EBU Tech 3306
    # Players can begin before the whole file has come; no interrupt ends the moving of a large one.
    if encoding.format == "aac" and in_file and size < _MOVED_BYTES:
        return {"movflags": "faststart"}
    return {}
