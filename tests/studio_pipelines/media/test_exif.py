import io
from pathlib import Path

import numpy as np
import pytest
import pyvips
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from studio_pipelines.media.exif import carried_exif, graft_exif


def _camera_exif(order: str) -> bytes:
    exif = Image.Exif()
    exif.endian = order
    exif[0x010F], exif[0x0112] = "Kamera", 6
    inner = exif.get_ifd(0x8769)
    inner[0x829A], inner[0x9003], inner[0xA002] = (1, 200), "2020:01:02 03:04:05", 4000
    position = exif.get_ifd(0x8825)
    position[1], position[2] = "N", (10.0, 20.0, 30.0)
    return exif.tobytes()


def _read(block: bytes) -> Image.Exif:
    exif = Image.Exif()
    exif.load(block)
    return exif


@pytest.mark.parametrize("order", ["<", ">"])
def test_carries_what_stays_true(order: str) -> None:
    block = carried_exif(_camera_exif(order))
    assert block is not None
    found = _read(block)
    assert found[0x010F] == "Kamera"
    assert 0x0112 not in found
    inner = found.get_ifd(0x8769)
    assert inner[0x829A] == (1, 200)
    assert inner[0x9003] == "2020:01:02 03:04:05"
    assert 0xA002 not in inner
    assert dict(found.get_ifd(0x8825)) == {1: "N", 2: (10.0, 20.0, 30.0)}


def test_drops_the_embedded_thumbnail() -> None:
    block = bytearray(_camera_exif("<").removeprefix(b"Exif\0\0"))
    block += b"secret thumbnail of the unedited picture"
    carried = carried_exif(bytes(block))
    assert carried is not None
    assert b"secret" not in carried


def test_is_stable() -> None:
    once = carried_exif(_camera_exif(">"))
    assert once is not None
    assert carried_exif(once) == once


def test_grafts_into_a_tiff_file(tmp_path: Path) -> None:
    pixels = np.arange(30 * 40 * 3, dtype=np.uint16).reshape(30, 40, 3)
    path = tmp_path / "a.tif"
    pyvips.Image.new_from_array(pixels, interpretation="rgb16").tiffsave(str(path))
    block = carried_exif(_camera_exif("<"))
    assert block is not None
    with path.open("r+b") as file:
        graft_exif(file, block)
    assert np.array_equal(pyvips.Image.new_from_file(str(path)).numpy(), pixels)
    assert carried_exif(path.read_bytes()) == block


@given(st.binary(max_size=300), st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b""]))
def test_damage_is_no_error(rest: bytes, head: bytes) -> None:
    carried = carried_exif(head + rest)
    assert carried is None or carried.startswith(b"II*\0")


@given(st.data())
def test_mutated_blocks_stay_readable(data: st.DataObject) -> None:
    block = bytearray(_camera_exif("<"))
    for _ in range(data.draw(st.integers(1, 8))):
        block[data.draw(st.integers(6, len(block) - 1))] = data.draw(st.integers(0, 255))
    carried = carried_exif(bytes(block))
    if carried is not None:
        assert carried_exif(carried) == carried
        assert io.BytesIO(carried).read(2) == b"II"
