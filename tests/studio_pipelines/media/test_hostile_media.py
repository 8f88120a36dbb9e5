"""Hostile files of each kind: decoded or refused, by a decoder that goes on."""

import io
import struct
from collections.abc import Iterator

import numpy as np
import pytest
from decoding_trials import try_all
from forged_media import png_bomb
from hostile_media import mutants
from media_chunks import chunks_of
from PIL import Image, ImageCms
from seed_media import KINDS, WIDTH, seed

from studio_pipelines.errors import MediaTooLarge, StudioError, UnsupportedMedia, UnusableMedia
from studio_pipelines.media.decoder import Decoder
from studio_pipelines.media.layer import layer_of
from studio_pipelines.media.limits import MIB, MediaLimits
from studio_pipelines.media.preview import thumbnail_png
from studio_pipelines.media.video_client import open_video

FILES, CHANCE_SEED = 40, 7


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder(limits=MediaLimits(decode_timeout_s=20)) as decoder:
        yield decoder


@pytest.mark.parametrize("kind", KINDS)
def test_sound_files_are_read(decoder: Decoder, kind: str) -> None:
    outcomes = try_all(decoder, [seed(kind)])
    assert outcomes.counts == {"unsupported_media" if kind in ("gif", "zip") else "decoded": 1}


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_files_are_read_or_refused(decoder: Decoder, kind: str) -> None:
    outcomes = try_all(decoder, mutants(kind, FILES, CHANCE_SEED))
    assert outcomes.broken == []
    assert outcomes.crashes == []
    assert outcomes.counts.total() == FILES
    assert try_all(decoder, [seed("png")]).counts == {"decoded": 1}


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "mp4", "wav"])
def test_a_seed_gives_the_same_files_again(kind: str) -> None:
    assert list(mutants(kind, 20, 3)) == list(mutants(kind, 20, 3))
    assert list(mutants(kind, 20, 3)) != list(mutants(kind, 20, 4))
    assert len(chunks_of(seed(kind))) > 1 or kind == "jpeg"


def test_a_sound_picture_of_too_many_pixels_is_refused_by_its_header(decoder: Decoder) -> None:
    bomb = png_bomb(15_000, 15_000)
    assert len(bomb) < 2 * MIB
    with pytest.raises(MediaTooLarge, match="15000 x 15000 pixels, 225 megapixels"):
        decoder.picture(bomb)


def test_a_picture_of_too_many_bytes_is_refused(decoder: Decoder) -> None:
    limits = MediaLimits(max_picture_bytes=MIB)
    with pytest.raises(MediaTooLarge, match="2 MiB; at most 1 MiB"):
        decoder.picture(seed("exr") + bytes(2 * MIB), limits=limits)


def recoded(kind: str, codec: bytes) -> bytes:
    """Return a file that names another codec for what is in it."""
    data = seed(kind)
    name = {"mp4": b"avc1", "mov": b"sowt"}[kind]
    at = data.index(name, data.index(b"stsd"))
    return data[:at] + codec + data[at + 4 :]


@pytest.mark.parametrize("at", [12, 16, 20, 36, 128, 131, 140, 300])
def test_a_damaged_colour_profile_is_left_out_or_works(decoder: Decoder, at: int) -> None:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[at : at + 4] = b"\xff\xff\xff\xff"
    file = io.BytesIO()
    Image.new("RGB", (4, 3), (200, 100, 50)).save(file, "jpeg", icc_profile=bytes(profile))
    picture = decoder.picture(file.getvalue())
    assert picture.icc_profile is not None or "profile is damaged" in " ".join(picture.notes)
    assert thumbnail_png(picture, 4)
    assert np.isfinite(layer_of(picture).curves.light).all()


def test_a_sound_colour_profile_is_kept(decoder: Decoder) -> None:
    for kind in ("png", "jpeg", "webp", "tiff"):
        picture = decoder.picture(seed(kind))
        assert picture.icc_profile is not None
        assert not any("profile" in note for note in picture.notes)


def test_a_picture_whose_error_is_no_text_is_refused(decoder: Decoder) -> None:
    decoder.warm()
    pid = decoder.helper_pid
    for type_name in (b"\xe2ox2i\0", b"\xffox2i\0"):
        with pytest.raises(UnusableMedia, match="OpenEXR file is damaged"):
            decoder.picture(seed("exr").replace(b"box2i\0", type_name, 1))
    with pytest.raises(StudioError):
        decoder.picture(seed("exr").replace(b"\0R\0\1", b"\0\xff\0\1"))
    assert decoder.helper_pid == pid


@pytest.mark.parametrize("codec", [b"\0\0\0\0", b"SVQ3", b"rpza"])
def test_a_video_in_an_unknown_or_forsaken_codec_is_refused(decoder: Decoder, codec: bytes) -> None:
    decoder.warm()
    pid = decoder.helper_pid
    with (
        pytest.raises(UnsupportedMedia, match="picture in the MP4 file is coded"),
        open_video(decoder, recoded("mp4", codec)),
    ):
        pass
    assert decoder.helper_pid == pid


@pytest.mark.parametrize("codec", [b"zzzz", b"QDM2"])
def test_a_sound_in_an_unknown_or_forsaken_codec_is_refused(decoder: Decoder, codec: bytes) -> None:
    decoder.warm()
    pid = decoder.helper_pid
    with pytest.raises(UnsupportedMedia, match="sound in the QuickTime file is coded"):
        decoder.audio(recoded("mov", codec))
    assert decoder.helper_pid == pid


def test_a_heic_file_without_a_picture_is_refused(decoder: Decoder) -> None:
    decoder.warm()
    pid = decoder.helper_pid
    data = seed("heic").replace(b"hvc1", b"hvcX").replace(b"pitm", b"pitX")
    with pytest.raises(UnusableMedia, match="HEIC file is damaged"):
        decoder.picture(data)
    assert decoder.helper_pid == pid


def test_a_heic_file_that_says_it_is_taller_than_its_picture_is_refused(decoder: Decoder) -> None:
    decoder.warm()
    pid = decoder.helper_pid
    data = seed("heic")
    at = data.index(b"ispe") + 8
    with pytest.raises(UnusableMedia, match="HEIC file is damaged"):
        decoder.picture(data[:at] + struct.pack(">II", WIDTH, 0x8030) + data[at + 8 :])
    assert decoder.helper_pid == pid


def test_a_helper_serves_on_after_it_has_refused_a_video_in_its_middle(decoder: Decoder) -> None:
    data = bytearray(seed("avi"))
    frames = [at for at in range(len(data)) if data.startswith(b"00dc", at)]
    for at in frames[3:6]:
        data[at + 8 : at + 600] = bytes(592)
    decoder.warm()
    pid = decoder.helper_pid
    with (
        pytest.raises(UnusableMedia),
        open_video(decoder, bytes(data)) as stream,
    ):
        for _ in stream.frames:
            pass
    file = io.BytesIO()
    Image.new("RGB", (3, 2)).save(file, "png")
    assert decoder.picture(file.getvalue()).pixels.shape == (2, 3, 3)
    assert decoder.helper_pid == pid


def test_a_video_that_says_it_is_too_long_is_refused_by_its_header() -> None:
    short = MediaLimits(max_duration_s=0.2)
    few = MediaLimits(max_frames=5)
    for limits, words in ((short, "s long; at most 0.2 s"), (few, "8 frames; at most 5")):
        with (
            Decoder(limits=limits) as decoder,
            pytest.raises(MediaTooLarge, match=words),
            open_video(decoder, seed("mp4")),
        ):
            pass
