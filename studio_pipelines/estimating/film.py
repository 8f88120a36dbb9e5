"""Estimate a video's depth frame by frame, on one scale and shift from end to end.

It is walked through twice: the network's small maps are kept on the disk first, so that the range
of all of them is known when the first frame is written. Memory does not grow with the length.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from studio_pipelines.estimating.network import Sight
from studio_pipelines.estimating.parameters import DepthEstimate, wanted_outputs
from studio_pipelines.estimating.still import Report, notes_on, with_prior
from studio_pipelines.kept_files import Made
from studio_pipelines.media.sniff import MATROSKA, MP4

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from studio_pipelines.media.depth_map import DepthMap
    from studio_pipelines.media.video import VideoFormat

_NAMES = {"depth": ("depth.mkv", MATROSKA.mime), "preview": ("preview.mp4", MP4.mime)}
_CHECKED_EACH = 10
_CRF = 18


@dataclass
class _Maps:
    """The small maps of all frames, on the disk.

    Attributes:
        file: They, one after the other.
        shape: Of one, or None before the first.
        count: How many there are.
        low: The smallest value of all.
        high: The largest.
        has_subject: Whether a subject was found in any.
    """

    file: BinaryIO
    shape: tuple[int, int] | None = None
    count: int = 0
    low: float = float("inf")
    high: float = float("-inf")
    has_subject: bool = False

    def keep(self, found: "DepthMap") -> None:
        height, width = found.values.shape
        self.shape = (height, width)
        self.file.write(found.values.tobytes())
        self.low, self.high = min(self.low, found.low), max(self.high, found.high)
        self.count += 1

    def again(self) -> "Iterator[NDArray[Any]]":
        import numpy as np

        assert self.shape is not None
        self.file.seek(0)
        size = self.shape[0] * self.shape[1] * 4
        for _ in range(self.count):
            yield np.frombuffer(self.file.read(size), np.float32).reshape(self.shape).copy()


def estimate_film(
    params: DepthEstimate, path: Path, sight: Sight, folder: Path, report: Report
) -> Made:
    """Estimate the depth of each frame, and write what was asked for into a folder.

    Args:
        params: What is asked for.
        path: The video.
        sight: The models.
        folder: Where the files go.
        report: Is told how far the work is.
    """
    with (folder / "maps").open("w+b") as file:
        maps = _Maps(file)
        unit = _look_at_all(params, path, sight, maps, report)
        written = _write_all(params, path, maps, unit, folder, report)
    files = {name: (folder / _NAMES[name][0], _NAMES[name][1]) for name in written.outputs}
    return Made(
        files,
        {
            "frames": maps.count,
            "megapixels": round(maps.count * written.megapixels, 3),
            **replace(unit, low=maps.low, high=maps.high).describe(),
        },
        written.verification(maps.count),
        notes_on(sight, has_subject=maps.has_subject),
        written.preview_png,
    )


def _look_at_all(
    params: DepthEstimate, path: Path, sight: Sight, maps: _Maps, report: Report
) -> "DepthMap":
    """Estimate all frames' small maps; return the last one, which tells what the values are."""
    from studio_pipelines.media.depth_alignment import SteadyDepth
    from studio_pipelines.media.depth_map import oriented
    from studio_pipelines.media.network_view import scaled_codes, window_codes
    from studio_pipelines.media.picture import Picture
    from studio_pipelines.media.segment_frame import Window
    from studio_pipelines.media.shared_decoder import shared_decoder
    from studio_pipelines.media.video_client import open_video

    steady, found = SteadyDepth(), None
    in_metres = sight.network.quantity == "metres"
    with open_video(shared_decoder(), path, field="video") as stream:
        whole = Window(0, 0, stream.format.width_px, stream.format.height_px)
        for frame in stream.frames:
            picture = Picture(frame.pixels)
            small = sight.look(window_codes(picture, whole), params.process_res).values
            small, has_subject = with_prior(small, picture, sight)
            maps.has_subject |= has_subject
            if not in_metres:
                small = steady.next(small, scaled_codes(picture, *small.shape))
            found = oriented(
                small.copy(),
                in_metres=in_metres,
                as_metric=sight.estimator.is_metric,
                # Turned round by the range of all frames, which is not known yet.
                invert=params.invert and in_metres,
                most_m=params.max_depth,
            )
            maps.keep(found)
            report(0.1 + 0.5 * _share(maps.count, stream.format), "estimating depth")
    assert found is not None
    if params.invert and not in_metres:
        return replace(found, polarity="farIsLarge")
    return found


@dataclass
class _Written:
    """What was written of a video."""

    outputs: tuple[str, ...]
    megapixels: float
    agreements: list[float]
    preview_png: bytes = b""
    frames: int = 0

    def verification(self, expected: int) -> dict[str, Any]:
        seen = self.agreements
        agreement = sum(seen) / len(seen) if seen else None
        return {
            "passed": self.frames == expected and (agreement is None or agreement > 0.5),
            "framesStored": self.frames,
            "finiteShare": 1.0,
            "edgeAgreement": None if agreement is None else round(agreement, 4),
        }


def _write_all(
    params: DepthEstimate, path: Path, maps: _Maps, unit: "DepthMap", folder: Path, report: Report
) -> _Written:
    """Bring each small map to its frame's size and edges, and write it."""
    import numpy as np

    from studio_pipelines.media.depth_check import edge_agreement
    from studio_pipelines.media.depth_map import DepthMap, colour_table, coloured, shares_of
    from studio_pipelines.media.depth_upsampling import at_full_size
    from studio_pipelines.media.network_view import scaled_codes
    from studio_pipelines.media.picture import Picture
    from studio_pipelines.media.preview import thumbnail_png
    from studio_pipelines.media.shared_decoder import shared_decoder
    from studio_pipelines.media.video import VideoFrame
    from studio_pipelines.media.video_client import open_video

    outputs, table = wanted_outputs(params, is_video=True), colour_table(params.colormap)
    with open_video(shared_decoder(), path, field="video") as stream, ExitStack() as opened:
        told = stream.format
        written = _Written(outputs, told.width_px * told.height_px / 1e6, [])
        writers = _writers(outputs, told, folder, opened)
        for frame, small in zip(stream.frames, maps.again(), strict=True):
            picture = Picture(frame.pixels)
            codes = scaled_codes(picture, *small.shape)
            full = at_full_size(small, codes, frame.pixels)
            if unit.polarity == "farIsLarge" and unit.unit == "relative":
                full = np.float32(maps.low + maps.high) - full
            shares = shares_of(DepthMap(full, unit.unit, unit.polarity, maps.low, maps.high), _ALL)
            shown = coloured(shares, table)
            if "depth" in writers:
                deep = np.rint(shares * 65535).astype(np.uint16)
                writers["depth"].write(deep, frame.time_stamp)
            if "preview" in writers:
                writers["preview"].write(VideoFrame(shown, frame.time_stamp))
            if written.frames == 0:
                written.preview_png = thumbnail_png(Picture(shown), 1024)
            if written.frames % _CHECKED_EACH == 0:
                agreement = edge_agreement(small, codes)
                written.agreements += [] if agreement is None else [agreement]
            written.frames += 1
            report(0.6 + 0.35 * _share(written.frames, told), "fitting to the frames' edges")
    return written


_ALL = slice(None)


def _writers(
    outputs: tuple[str, ...], told: "VideoFormat", folder: Path, opened: ExitStack
) -> dict[str, Any]:
    from studio_pipelines.media.depth_video import writing_depth_video
    from studio_pipelines.media.video import VideoColour
    from studio_pipelines.media.video_encode import VideoEncoding, writing_video

    shown = replace(told, deep=False, colour=VideoColour(1, 1, 1))
    writers: dict[str, Any] = {}
    for name in outputs:
        path = folder / _NAMES[name][0]
        making = (
            writing_depth_video(path, told)
            if name == "depth"
            else writing_video(path, VideoEncoding("h264", _CRF), shown)
        )
        writers[name] = opened.enter_context(making)
    return writers


def _share(done: int, told: "VideoFormat") -> float:
    return done / max(told.frames_stated or 0, done)
