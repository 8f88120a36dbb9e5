"""Formats of sound files: what they hold, and which settings go together."""

from dataclasses import dataclass
from typing import Literal

from studio_pipelines.errors import InvalidParameter

AudioFormat = Literal["wav", "flac", "mp3", "aac", "opus"]
Dither = Literal["tpdf", "none"]
DEFAULT_BIT_DEPTH = 24
_MPEG_RATES_HZ = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


@dataclass(frozen=True)
class Codec:
    """What a format holds, and the library's names of it."""

    container: str
    media_type: str
    extension: str
    bit_depths: tuple[int, ...] = ()
    kbps_per_channel: int = 0
    most_kbps: int = 0
    most_channels: int = 8
    sample_rates_hz: tuple[int, ...] = ()


CODECS: dict[AudioFormat, Codec] = {
    "wav": Codec("wav", "audio/wav", "wav", bit_depths=(16, 24, 32)),
    "flac": Codec("flac", "audio/flac", "flac", bit_depths=(16, 24)),
    "mp3": Codec("mp3", "audio/mpeg", "mp3", (), 160, 320, 2, _MPEG_RATES_HZ),
    "aac": Codec("ipod", "audio/mp4", "m4a", (), 128, 1024, 8, (*_MPEG_RATES_HZ, 88_200, 96_000)),
    "opus": Codec("ogg", "audio/ogg", "ogg", (), 96, 1024, 8, (48_000,)),
}
PCM_CODECS = {16: "pcm_s16le", 24: "pcm_s24le", 32: "pcm_f32le"}
LOSSY_CODECS = {"mp3": "libmp3lame", "aac": "aac", "opus": "libopus"}


@dataclass(frozen=True)
class AudioEncoding:
    """A file format with its settings.

    Attributes:
        format: ``wav``, ``flac``, ``mp3``, ``aac`` (in MP4) or ``opus`` (in Ogg).
        bit_depth: 16, 24 or, for wav, 32 (float); None is 24. Not for lossy formats.
        bitrate_kbps: Of lossy formats; None is 160 (mp3), 128 (aac) or 96 (opus) a channel.
        dither: ``tpdf`` adds triangular noise of two steps before rounding, so that what is lost
            is noise and no distortion (Lipshitz, Wannamaker and Vanderkooy, JAES 40/5, 1992);
            None is ``tpdf`` at 16 bits, where rounding could be heard, else ``none``.
        rate_hz: Sample rate of the file; None is that of the programme where the format has it.

    Raises:
        InvalidParameter: The settings don't go together.
    """

    format: AudioFormat = "wav"
    bit_depth: int | None = None
    bitrate_kbps: int | None = None
    dither: Dither | None = None
    rate_hz: int | None = None

    def __post_init__(self) -> None:
        codec = CODECS[self.format]
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
        if self.dither == "tpdf" and not self._is_rounded:
            raise InvalidParameter(
                f"{self.format} of this kind is not rounded to integers: dither has no place in it",
                field="dither",
                hint="Leave dither out, or take flac, or wav of 16 or 24 bits.",
            )
        if (
            self.rate_hz is not None
            and codec.sample_rates_hz
            and (self.rate_hz not in codec.sample_rates_hz)
        ):
            raise InvalidParameter(
                f"{self.format} has no sample rate of {self.rate_hz} Hz",
                field="sampleRate",
                hint=f"It has up to {max(codec.sample_rates_hz)}; wav and flac have any.",
            )

    @property
    def is_lossy(self) -> bool:
        """Whether decoding gives other samples than were encoded."""
        return self.format in LOSSY_CODECS

    @property
    def media_type(self) -> str:
        """Media type of the file."""
        return CODECS[self.format].media_type

    @property
    def extension(self) -> str:
        """The usual extension of the file, without a dot."""
        return CODECS[self.format].extension

    @property
    def depth(self) -> int:
        """Bits of a sample in a lossless file."""
        return self.bit_depth or DEFAULT_BIT_DEPTH

    @property
    def _is_rounded(self) -> bool:
        return not self.is_lossy and self.depth < 32

    @property
    def is_dithered(self) -> bool:
        """Whether noise is added before rounding."""
        return (
            self._is_rounded and (self.dither or ("tpdf" if self.depth == 16 else "none")) == "tpdf"
        )

    @property
    def quantisation_step(self) -> float:
        """Largest change of a sample by rounding and dither, linear; 0 for float and lossy."""
        if not self._is_rounded:
            return 0.0
        return (1.5 if self.is_dithered else 0.5) * 2.0 ** (1 - self.depth)

    def require_room_for(self, channels: int) -> None:
        """Raise InvalidParameter where there are more channels than the format holds."""
        most = CODECS[self.format].most_channels
        if channels > most:
            raise InvalidParameter(
                f"{self.format} holds {most} channels, not {channels}",
                field="format",
                hint="Take wav, flac, aac or opus.",
            )

    def sample_rate_hz(self, source_rate_hz: int) -> int:
        """Give the rate that a source is stored at: as asked for, else its own where that exists.

        Otherwise the next higher one, or the highest that divides it without a remainder.
        """
        rates = CODECS[self.format].sample_rates_hz
        if self.rate_hz is not None:
            return self.rate_hz
        if not rates or source_rate_hz in rates:
            return source_rate_hz
        higher = [rate for rate in rates if rate > source_rate_hz]
        whole = [rate for rate in rates if source_rate_hz % rate == 0]
        return min(higher) if higher else max(whole, default=max(rates))
