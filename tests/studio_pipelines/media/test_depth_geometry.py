"""Points and normals, held against a plane's arithmetic; focal lengths; PLY."""

import math
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipelines.media.depth_geometry import (
    MOST_POINTS,
    cloud_step,
    distances,
    focal_of,
    normals,
    points,
    write_ply,
)
from studio_pipelines.media.exif import carried_exif, focal_length_35mm

HEIGHT, WIDTH, FOCAL_PX = 40, 60, 70.0


def plane_depth(normal: np.ndarray, away: float) -> np.ndarray:
    """Depth of the plane of all points p with normal . p = -away, by rays through pixels."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    rays = np.stack([(x - WIDTH / 2) / FOCAL_PX, (HEIGHT / 2 - y) / FOCAL_PX, -np.ones_like(x)], -1)
    return (-away / (rays @ normal)).astype(np.float32)


slopes = st.floats(-0.7, 0.7)


@settings(max_examples=40)
@given(slopes, slopes, st.floats(0.5, 50))
def test_a_planes_points_lie_on_it_and_its_normals_are_its_own(
    across: float, up: float, away: float
) -> None:
    normal = np.array([across, up, 1.0])
    normal /= np.linalg.norm(normal)
    depth = plane_depth(normal, away)
    assert (depth > 0).all()
    placed = points(depth, FOCAL_PX, slice(0, HEIGHT), HEIGHT, WIDTH)
    np.testing.assert_allclose(placed @ normal, -away, rtol=1e-4)
    for rows, facing in normals(depth, FOCAL_PX):
        assert facing.shape == (rows.stop - rows.start, WIDTH, 3)
        np.testing.assert_allclose(np.linalg.norm(facing, axis=-1), 1, atol=1e-5)
        np.testing.assert_allclose(
            facing[2:-2, 2:-2], np.broadcast_to(normal, (HEIGHT - 4, WIDTH - 4, 3)), atol=5e-3
        )


def test_every_other_point_is_where_it_is_among_all() -> None:
    depth = plane_depth(np.array([0.3, -0.2, 0.93]), 4)
    every = points(depth, FOCAL_PX, slice(0, HEIGHT), HEIGHT, WIDTH)
    some = points(depth[3:31:4, ::4], FOCAL_PX, slice(3, 31, 4), HEIGHT, WIDTH, 4)
    np.testing.assert_array_equal(some, every[3:31:4, ::4])


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
def test_what_has_no_slope_faces_the_camera(shape: tuple[int, int]) -> None:
    ((_, facing),) = normals(np.full(shape, 2.0, np.float32), 10)
    assert np.array_equal(facing, np.broadcast_to([0, 0, 1], (*shape, 3)))


def test_relative_depth_goes_from_one_to_ten() -> None:
    found = distances(np.array([[-2.0, 0.5, 3.0]], np.float32), -2.0, 3.0)
    np.testing.assert_allclose(found[0], [10, 1 / 0.55, 1], rtol=1e-6)
    assert np.isfinite(distances(np.zeros((2, 2), np.float32), 0, 0)).all()


def exif_with(millimetres: int) -> bytes:
    """A TIFF structure of one tag in the EXIF directory."""
    head = struct.pack("<2sHI", b"II", 42, 8)
    main = struct.pack("<HHHII", 1, 0x8769, 4, 1, 26) + bytes(4)
    return head + main + struct.pack("<HHHIHH", 1, 0xA405, 3, 1, millimetres, 0) + bytes(4)


def test_the_focal_length_is_given_or_told_or_usual() -> None:
    block = carried_exif(exif_with(36))
    assert block is not None
    assert focal_length_35mm(block) == 36
    assert focal_length_35mm(exif_with(0)) is None
    given_px = focal_of(2400, 3600, block, 1234.0, 9.0)
    assert (given_px.length_px, given_px.source) == (1234, "given")
    told = focal_of(2400, 3600, block, None, 9.0)
    # 36 mm of film are 3600 pixels: the shapes are alike.
    assert (told.length_px, told.source) == (pytest.approx(3600), "exif")
    assert focal_of(2400, 3600, None, None, 9.0).source == "model"
    usual = focal_of(2400, 3600, None, None, None)
    assert usual.source == "estimated"
    assert 2 * math.degrees(math.atan(1800 / usual.length_px)) == pytest.approx(60)


def test_a_cloud_has_at_most_four_million_points() -> None:
    for height, width in ((10, 10), (2000, 2000), (2001, 2001), (300, 20000), (10000, 10000)):
        step = cloud_step(height, width)
        assert -(-height // step) * -(-width // step) <= MOST_POINTS * 1.01


def test_a_ply_file_holds_places_and_colours(tmp_path: Path) -> None:
    places = np.arange(12, dtype=np.float32).reshape(4, 3)
    colours = np.arange(100, 112, dtype=np.uint8).reshape(4, 3)
    path = tmp_path / "cloud.ply"
    assert write_ply(path, iter([(places[:3], colours[:3]), (places[3:], colours[3:])]), 4) == 4
    head, _, body = path.read_bytes().partition(b"end_header\n")
    assert head.decode().splitlines()[:3] == [
        "ply",
        "format binary_little_endian 1.0",
        "element vertex 4",
    ]
    rows = [struct.unpack("<fffBBB", body[at : at + 15]) for at in range(0, len(body), 15)]
    assert rows == [(*p, *c) for p, c in zip(places.tolist(), colours.tolist(), strict=True)]
