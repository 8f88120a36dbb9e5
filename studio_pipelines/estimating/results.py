"""Write what was asked for of a picture's depth, each file at the picture's size."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio_pipelines.estimating.parameters import DepthEstimate, Output
from studio_pipelines.estimating.still import Estimated
from studio_pipelines.kept_files import Files
from studio_pipelines.media.sniff import EXR, PNG

if TYPE_CHECKING:
    from studio_pipelines.media.picture import Picture

NPY_MIME, PLY_MIME = "application/x-npy", "application/x-ply"
_SHAPED = (
    "Depth is relative: normals and points take the farthest place to be ten times as far as the "
    "nearest. Their shape is to look at, not to measure."
)
_THUMBNAIL_PX = 1024
_BAND_PIXELS = 1 << 21


def write_results(
    params: DepthEstimate,
    outputs: tuple[Output, ...],
    picture: "Picture",
    found: Estimated,
    folder: Path,
) -> tuple[Files, dict[str, Any], tuple[str, ...]]:
    """Write the results into a folder.

    Returns:
        Each file with its media type, the main one first; figures; notes.
    """
    writers: dict[str, tuple[str, str, Callable[[Path], dict[str, Any]]]] = {
        "png16": ("depth.png", PNG.mime, lambda path: _write_png16(found, path)),
        "exr": ("depth.exr", EXR.mime, lambda path: _write_exr(found, path)),
        "npy": ("depth.npy", NPY_MIME, lambda path: _write_npy(found, path)),
        "preview": ("preview.png", PNG.mime, lambda path: _write_preview(params, found, path)),
        "normals": ("normals.png", PNG.mime, lambda path: _write_normals(found, path)),
        "pointcloud": ("points.ply", PLY_MIME, lambda path: _write_points(picture, found, path)),
    }
    files: Files = {}
    told: dict[str, Any] = {}
    for name in outputs:
        filename, mime, write = writers[name]
        files[name] = (folder / filename, mime)
        told |= write(folder / filename)
    notes: tuple[str, ...] = ()
    if found.depth.unit == "relative" and {"normals", "pointcloud"} & set(outputs):
        notes = (_SHAPED,)
    return files, told, notes


def thumbnail(params: DepthEstimate, found: Estimated) -> bytes:
    """Return a small coloured picture of the map, PNG."""
    from studio_pipelines.media.preview import thumbnail_png

    return thumbnail_png(_coloured(params, found), _THUMBNAIL_PX)


def _write_png16(found: Estimated, path: Path) -> dict[str, Any]:
    import numpy as np

    from studio_pipelines.media.depth_map import shares_of
    from studio_pipelines.media.image_encode import encode_picture
    from studio_pipelines.media.interruptible import bands
    from studio_pipelines.media.picture import Picture

    height, width = found.depth.values.shape
    codes = np.empty((height, width, 1), np.uint16)
    for rows in bands(height, width):
        codes[rows, :, 0] = np.rint(shares_of(found.depth, rows) * 65535)
    encode_picture(Picture(codes), path)
    return {}


def _write_exr(found: Estimated, path: Path) -> dict[str, Any]:
    from studio_pipelines.media.exr_encode import encode_exr
    from studio_pipelines.media.picture import Picture

    values = found.depth.values[..., None]
    encode_exr(Picture(values), path, samples="float", channels=("Z",))
    return {}


def _write_npy(found: Estimated, path: Path) -> dict[str, Any]:
    import numpy as np

    from studio_pipelines.media.interruptible import bands

    values = found.depth.values
    with path.open("wb") as file:
        header = np.lib.format.header_data_from_array_1_0(values)
        np.lib.format.write_array_header_1_0(file, header)
        for rows in bands(*values.shape):
            file.write(values[rows].tobytes())
    return {}


def _write_preview(params: DepthEstimate, found: Estimated, path: Path) -> dict[str, Any]:
    from studio_pipelines.media.image_encode import encode_picture

    encode_picture(_coloured(params, found), path)
    return {}


def _coloured(params: DepthEstimate, found: Estimated) -> "Picture":
    import numpy as np

    from studio_pipelines.media.depth_map import colour_table, coloured, shares_of
    from studio_pipelines.media.interruptible import bands
    from studio_pipelines.media.picture import Picture

    height, width = found.depth.values.shape
    table = colour_table(params.colormap)
    pixels = np.empty((height, width, 3), np.uint8)
    for rows in bands(height, width):
        pixels[rows] = coloured(shares_of(found.depth, rows), table)
    return Picture(pixels)


def _distances(found: Estimated) -> Any:
    """Return depth along the camera's axis, for what has to have a place in space."""
    import numpy as np

    from studio_pipelines.media.depth_geometry import distances
    from studio_pipelines.media.interruptible import bands

    depth = found.depth
    if depth.unit == "m":
        return depth.values
    out = np.empty_like(depth.values)
    for rows in bands(*depth.values.shape):
        part = depth.values[rows]
        if depth.unit == "1/m":
            out[rows] = 1 / np.maximum(part, np.float32(1e-6))
            continue
        near = part if depth.polarity == "nearIsLarge" else depth.low + depth.high - part
        out[rows] = distances(near.astype(np.float32), depth.low, depth.high)
    return out


def _write_normals(found: Estimated, path: Path) -> dict[str, Any]:
    import numpy as np

    from studio_pipelines.media.depth_geometry import normals
    from studio_pipelines.media.image_encode import encode_picture
    from studio_pipelines.media.picture import Picture

    height, width = found.depth.values.shape
    codes = np.empty((height, width, 3), np.uint16)
    for rows, facing in normals(_distances(found), found.focal.length_px):
        codes[rows] = np.rint((facing * np.float32(0.5) + np.float32(0.5)) * 65535)
    encode_picture(Picture(codes), path)
    return {}


def _write_points(picture: "Picture", found: Estimated, path: Path) -> dict[str, Any]:
    from studio_pipelines.media.depth_geometry import cloud_step, write_ply

    height, width = found.depth.values.shape
    step = cloud_step(height, width)
    count = len(range(0, height, step)) * len(range(0, width, step))
    blocks = _points(picture, found, step)
    return {"points": write_ply(path, blocks, count), "pointStepPx": step}


def _points(picture: "Picture", found: Estimated, step: int) -> Iterator[tuple[Any, Any]]:
    from studio_pipelines.media.depth_geometry import points
    from studio_pipelines.media.interruptible import bands
    from studio_pipelines.media.network_view import window_codes
    from studio_pipelines.media.segment_frame import Window

    depth = _distances(found)
    height, width = depth.shape
    for band in bands(-(-height // step), width, _BAND_PIXELS):
        rows = slice(band.start * step, min(band.stop * step, height), step)
        tall = rows.stop - rows.start
        window = Window(0, rows.start, width, tall)
        codes = _at_size(window_codes(picture, window), tall, width)
        places = points(depth[rows, ::step], found.focal.length_px, rows, height, width, step)
        yield places.reshape(-1, 3), codes[::step, ::step].reshape(-1, 3)


def _at_size(codes: Any, height: int, width: int) -> Any:
    import cv2

    if codes.shape[:2] == (height, width):
        return codes
    return cv2.resize(codes, (width, height), interpolation=cv2.INTER_LINEAR)
