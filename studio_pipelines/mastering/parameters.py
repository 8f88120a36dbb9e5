"""What a mastering job can be asked for, and what that means to what does it."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from studio_pipelines.operation import Parameters

if TYPE_CHECKING:
    from studio_pipelines.media.audio_encoding import AudioEncoding
    from studio_pipelines.media.mastering_target import MasteringSettings
    from studio_pipelines.media.reference_match import Reference


class Equaliser(Parameters):
    """Three tone controls; the gain between them is smooth."""

    tilt: float = Field(default=0.0, ge=-2, le=2, description="In dB an octave, about 1 kHz.")
    low: float = Field(default=0.0, ge=-12, le=12, description="In dB, below about 120 Hz.")
    high: float = Field(default=0.0, ge=-12, le=12, description="In dB, above about 8 kHz.")


class AudioMaster(Parameters):
    """What to do to the sound, how loud the master shall be, and how to store it."""

    preset: Literal["streaming", "apple", "podcast", "ebu", "atsc"] | None = Field(
        None, description="Target and ceiling; left out, the reference's loudness, or streaming."
    )
    target_lufs: float | None = Field(
        None, ge=-70, le=-5, description="Integrated loudness in LUFS instead of the preset's."
    )
    true_peak_db: float | None = Field(
        None, ge=-9, le=0, description="True-peak ceiling in dBTP instead of the preset's."
    )
    lra: float | None = Field(
        None, ge=1, le=30, description="Largest loudness range in LU; a wider one is levelled."
    )
    mode: Literal["linear", "dynamic", "auto"] = Field(
        "auto", description="Reach the target by gain only, or level and limit where it must."
    )
    eq: Equaliser = Field(default_factory=Equaliser, description="Tilt, low and high.")
    match: float | None = Field(
        None, ge=0, le=1, description="Share of the reference's tone and width taken over; all."
    )
    compress: float = Field(0.0, ge=0, le=1, description="In three bands: 1 is a ratio of 2.")
    width: float = Field(1.0, ge=0, le=2, description="0 is mono, 1 leaves it as it is.")
    dual_mono: bool = Field(False, description="Count a mono file as played by two loudspeakers.")
    format: Literal["wav", "flac", "mp3", "aac", "opus"] = Field(
        "wav", description="Of the master."
    )
    bit_depth: Literal[16, 24, 32] | None = Field(
        None, description="Bits of wav and flac; 24 when left out, 32 is floating point."
    )
    dither: Literal["tpdf", "none"] | None = Field(
        None, description="Noise against distortion by rounding; left out, tpdf at 16 bits only."
    )
    sample_rate: Literal[44_100, 48_000, 88_200, 96_000, 176_400, 192_000] | None = Field(
        None, description="In Hz; left out, that of the input where the format has it."
    )
    bitrate: int | None = Field(None, ge=8, le=512, description="Of lossy formats, in kbit/s.")
    album_mode: bool = Field(False, description="Bring a list to the target by one gain for all.")


def encoding_of(told: AudioMaster) -> "AudioEncoding":
    """Give the format of the master.

    Raises:
        InvalidParameter: Its settings don't go together.
    """
    from studio_pipelines.media.audio_encoding import AudioEncoding

    return AudioEncoding(told.format, told.bit_depth, told.bitrate, told.dither, told.sample_rate)


def settings_of(
    params: AudioMaster, channel_layout: str, reference: "Reference | None" = None
) -> "MasteringSettings":
    """Give target, mode and shaping.

    Args:
        params: What was asked for.
        channel_layout: FFmpeg's name of the programme's layout.
        reference: What to match, or None.
    """
    from studio_pipelines.media.equaliser import ToneControls
    from studio_pipelines.media.mastering_target import MasteringSettings, target_of
    from studio_pipelines.media.shaping import Shaping

    tone = ToneControls(params.eq.tilt, params.eq.low, params.eq.high)
    match = 1.0 if params.match is None else params.match
    shaping = Shaping(tone, reference, match, params.compress, params.width)
    target = target_of(
        params.preset, params.target_lufs, params.true_peak_db, params.lra, reference
    )
    return MasteringSettings(target, params.mode, params.dual_mono, channel_layout, shaping)
