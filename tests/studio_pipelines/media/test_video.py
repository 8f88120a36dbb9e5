from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import psutil
import pytest
from made_video import make_video

from studio_pipelines.errors import (
    InvalidParameter,
    MediaTooLarge,
    UnsupportedMedia,
    UnusableMedia,
)
from studio_pipelines.media.decoder import Decoder
from studio_pipelines.media.limits import MediaLimits
from studio_pipelines.media.video_client import join_sound, open_video
from studio_pipelines.media.video_encode import VideoEncoding, encoded_frames, writing_video

SAMPLES = Path(__file__).resolve().parents[3] / "samples"


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder() as made:
        yield made


def read(decoder: Decoder, path: Path, **options):
    with open_video(decoder, path, field="video", **options) as stream:
        return stream.format, [(f.time_stamp, f.pixels.copy()) for f in stream.frames]


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("colour", [1, 6, 9])
def test_frames_come_out_as_they_went_in(decoder, tmp_path, full_range, colour):
    shown = make_video(tmp_path / "a.mp4", full_range=full_range, colour=colour)
    told, frames = read(decoder, tmp_path / "a.mp4")
    assert (told.width_px, told.height_px, told.deep) == (160, 96, False)
    assert (told.colour.full_range, told.colour.matrix) == (full_range, colour)
    assert told.colour.primaries == colour
    assert told.frames_stated == len(frames) == len(shown)
    assert told.sound_codecs == ("aac",)
    assert told.duration_s == pytest.approx(12 / 25)
    off = np.abs(np.stack([pixels for _, pixels in frames]).astype(int) - shown)
    assert off.mean() < 1
    assert np.quantile(off, 0.99) <= 6


def test_ten_bits_stay_deep(decoder, tmp_path):
    shown = make_video(tmp_path / "a.mkv", pixel_format="yuv420p10le", codec="libx265")
    told, frames = read(decoder, tmp_path / "a.mkv")
    assert told.deep
    assert frames[0][1].dtype == np.uint16
    assert np.abs(frames[0][1] / 257 - shown[0]).mean() < 1


def test_uneven_time_stamps_are_kept(decoder, tmp_path):
    stamps = [0, 1, 2, 5, 6, 10, 11, 12, 13, 17, 20, 21]
    make_video(tmp_path / "a.mp4", stamps=stamps)
    told, frames = read(decoder, tmp_path / "a.mp4")
    assert [stamp * told.time_base for stamp, _ in frames] == [Fraction(s, 25) for s in stamps]


def test_the_decoder_serves_others_after_a_video(decoder, tmp_path):
    make_video(tmp_path / "a.mp4")
    read(decoder, tmp_path / "a.mp4")
    pid = decoder.helper_pid
    read(decoder, tmp_path / "a.mp4", most_frames=3)
    assert decoder.picture(SAMPLES / "tower.jpg").width_px == 640
    assert decoder.helper_pid == pid


def test_a_walk_that_is_broken_off_ends_the_helper(decoder, tmp_path):
    make_video(tmp_path / "a.mp4", frames=40)
    decoder.warm()
    pid = decoder.helper_pid
    assert pid is not None
    with pytest.raises(KeyboardInterrupt), open_video(decoder, tmp_path / "a.mp4") as stream:
        for frame in stream.frames:
            if frame.time_stamp > 0:
                raise KeyboardInterrupt
    assert decoder.helper_pid is None
    assert not psutil.pid_exists(pid)
    assert len(read(decoder, tmp_path / "a.mp4")[1]) == 40


def test_memory_does_not_grow_with_the_length(decoder, tmp_path):
    make_video(tmp_path / "a.mp4", size=(640, 360), frames=150, sound=None)
    with open_video(decoder, tmp_path / "a.mp4") as stream:
        sizes = [psutil.Process().memory_info().rss for _ in stream.frames]
    assert sizes[-1] - sizes[10] < 4 << 20, "a frame alone has 0.7 MB"


def test_the_start_and_the_number_of_frames_can_be_chosen(decoder, tmp_path):
    make_video(tmp_path / "a.mp4", frames=60)
    _, frames = read(decoder, tmp_path / "a.mp4", start_s=2.0, most_frames=2)
    assert len(frames) == 2


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda data: data[: len(data) // 3], UnusableMedia),
        (lambda _data: (SAMPLES / "tower.jpg").read_bytes(), UnsupportedMedia),
        (lambda _data: b"", UnusableMedia),
    ],
)
def test_what_is_no_video_is_refused_and_the_next_is_read(decoder, tmp_path, spoil, error):
    make_video(tmp_path / "a.mp4")
    (tmp_path / "bad.mp4").write_bytes(spoil((tmp_path / "a.mp4").read_bytes()))
    with pytest.raises(error) as caught:
        read(decoder, tmp_path / "bad.mp4")
    assert caught.value.field == "video"
    assert len(read(decoder, tmp_path / "a.mp4")[1]) == 12


def test_limits_hold(tmp_path):
    make_video(tmp_path / "a.mp4")
    with Decoder(limits=MediaLimits(max_frames=5)) as few, pytest.raises(MediaTooLarge):
        read(few, tmp_path / "a.mp4")
    with Decoder(limits=MediaLimits(max_pixels=100)) as small, pytest.raises(MediaTooLarge):
        read(small, tmp_path / "a.mp4")


@pytest.mark.parametrize(
    ("codec", "deep", "size"),
    [
        ("h264", False, (160, 96)),
        ("h264", True, (160, 96)),
        ("hevc", True, (160, 96)),
        ("prores", True, (160, 96)),
        ("h264", False, (161, 97)),
    ],
)
@pytest.mark.parametrize("full_range", [False, True])
def test_encoding_keeps_time_colour_and_values(decoder, tmp_path, codec, deep, size, full_range):
    source = tmp_path / "a.mkv"
    layout = ("yuv444p" if size[0] % 2 else "yuv420p") + ("10le" if deep else "")
    make_video(source, size=size, pixel_format=layout, full_range=full_range, colour=9, sound=None)
    target = tmp_path / "b"
    with (
        open_video(decoder, source) as stream,
        writing_video(target, VideoEncoding(codec, crf=4), stream.format) as writer,
    ):
        before = []
        for frame in stream.frames:
            before.append((frame.time_stamp * stream.format.time_base, frame.pixels.copy()))
            writer.write(frame)
    told, after = read(decoder, target)
    assert encoded_frames(target) == writer.frames == len(after) == 12
    assert told.colour.primaries == told.colour.matrix == told.colour.transfer == 9
    assert told.colour.full_range == (full_range and codec != "prores")
    for (second, old), (stamp, new) in zip(before, after, strict=True):
        assert float(stamp * told.time_base) == pytest.approx(float(second), abs=1e-3)
        scale = 257 if old.dtype == np.uint16 else 1
        assert np.abs(new / (257 if told.deep else 1) - old / scale).mean() < 1.2


@pytest.mark.parametrize(
    ("sound", "container"), [("aac", "mp4"), ("pcm_s16le", "mov"), ("mp2", "matroska")]
)
def test_sound_is_copied_packet_by_packet(decoder, tmp_path, sound, container):
    source = tmp_path / "a.mkv"
    make_video(source, sound=sound)
    picture, target = tmp_path / "p", tmp_path / "joined"
    with (
        open_video(decoder, source) as stream,
        writing_video(picture, VideoEncoding(), stream.format) as writer,
    ):
        for frame in stream.frames:
            writer.write(frame)
    found, _ = VideoEncoding().container_for(stream.format.sound_codecs)
    assert found == container
    assert join_sound(decoder, source, picture, target, container) == 12

    def packets(path: Path) -> list[bytes]:
        with av.open(path) as opened:
            return [bytes(p) for p in opened.demux(audio=0) if p.size]

    assert packets(target) == packets(source)
    assert encoded_frames(target) == 12


def test_an_encoding_that_fails_leaves_no_file(decoder, tmp_path):
    make_video(tmp_path / "a.mp4")
    with (
        pytest.raises(RuntimeError, match="stop"),
        open_video(decoder, tmp_path / "a.mp4") as stream,
        writing_video(tmp_path / "b", VideoEncoding(), stream.format) as writer,
    ):
        writer.write(next(stream.frames))
        raise RuntimeError("stop")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_rate_factor_out_of_range_is_refused():
    with pytest.raises(InvalidParameter):
        VideoEncoding(crf=52)
