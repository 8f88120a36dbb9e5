from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from made_video import make_video
from running_studio import RunningStudio, uri

from studio_pipelines.contract.jobs import JobData

pytestmark = pytest.mark.stack
ROUTE = "/api/grading/apply"


def graded(studio: RunningStudio, path: Path, **fields: Any) -> JobData:
    return studio.made("grading_apply", video=uri(path.read_bytes()), **fields)


def stored(studio: RunningStudio, data: JobData, folder: Path) -> tuple[list[Any], list[bytes]]:
    """Return the frames and the packets of sound of a result."""
    path = folder / "stored"
    path.write_bytes(studio.content(data))
    with av.open(path) as container:
        frames = list(container.decode(video=0))
    with av.open(path) as container:
        sound = [bytes(p) for s in container.streams.audio for p in container.demux(s) if p.size]
    return frames, sound


def test_a_video_is_graded_with_its_time_its_colour_and_its_sound(
    media_studio: RunningStudio, samples: Path, tmp_path: Path
) -> None:
    stamps = [0, 1, 2, 5, 6, 10, 11, 12, 13, 17, 20, 21]
    make_video(tmp_path / "a.mp4", stamps=stamps, full_range=True)
    lut = uri((samples / "warm_dusk.cube").read_bytes())
    data = graded(media_studio, tmp_path / "a.mp4", lut=lut, crf=4)
    assert set(data.assets) == {"video", "cube", "preview", "scopes"}
    assert data.assets["video"].media_type == "video/mp4"
    frames, sound = stored(media_studio, data, tmp_path)
    assert [Fraction(f.pts) * f.time_base for f in frames] == [Fraction(s, 25) for s in stamps]
    assert {int(f.color_range) for f in frames} == {2}
    assert {int(f.color_primaries) for f in frames} == {1}
    with av.open(tmp_path / "a.mp4") as source:
        assert sound == [bytes(p) for p in source.demux(audio=0) if p.size]
    assert data.verification["passed"]
    assert data.verification["framesStored"] == data.metrics["frames"] == 12
    assert data.verification["meanDeltaE2000"] > 1


def test_exposure_lightens_every_frame(media_studio: RunningStudio, tmp_path: Path) -> None:
    shown = make_video(tmp_path / "a.mp4", sound=None)
    data = graded(media_studio, tmp_path / "a.mp4", exposure=-1, crf=4)
    frames, sound = stored(media_studio, data, tmp_path)
    assert sound == []
    codes = shown / 255
    light = np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4) / 2
    curved = 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055
    expected = 255 * np.where(light <= 0.0031308, light * 12.92, curved)
    for frame, wanted in zip(frames, expected, strict=True):
        planar = frame.reformat(format="gbrp", src_colorspace=1, dst_color_range=2)
        found = planar.reformat(format="rgb24").to_ndarray()
        assert np.abs(found - wanted).mean() < 2


@pytest.mark.parametrize("base", ["auto", "reference"])
def test_a_base_is_one_for_the_whole_video(
    media_studio: RunningStudio, samples: Path, tmp_path: Path, base: str
) -> None:
    make_video(tmp_path / "a.mp4", sound=None)
    photo = uri((samples / "tower.jpg").read_bytes())
    asked = {"auto": True} if base == "auto" else {"reference": photo}
    data = graded(media_studio, tmp_path / "a.mp4", **asked, codec="hevc")
    assert data.verification["passed"]
    assert data.verification["meanDeltaE2000"] > 0.5


def test_a_picture_as_video_and_both_at_once_are_refused(
    media_studio: RunningStudio, samples: Path, tmp_path: Path
) -> None:
    photo = uri((samples / "tower.jpg").read_bytes())
    answer = media_studio.client.post(ROUTE, json={"video": photo})
    assert answer.status_code == 415
    assert answer.json()["error"]["field"] == "video"
    make_video(tmp_path / "a.mp4", frames=2)
    both = {"image": photo, "video": uri((tmp_path / "a.mp4").read_bytes())}
    answer = media_studio.client.post(ROUTE, json=both)
    assert answer.status_code == 422


def test_a_video_that_is_cut_off_is_refused(media_studio: RunningStudio, tmp_path: Path) -> None:
    make_video(tmp_path / "a.mp4")
    half = (tmp_path / "a.mp4").read_bytes()[:4000]
    answer = media_studio.client.post(ROUTE, json={"video": uri(half)})
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["field"] == "video"
