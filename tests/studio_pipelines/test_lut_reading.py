"""How a job gets its look-up table: by the helper, and once for the same content."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from studio_pipelines.errors import UnusableMedia
from studio_pipelines.grading.lut_reading import MOST_KEPT, MOST_KEPT_BYTES, read_lut
from studio_pipelines.media.lut_formats import format_cube
from studio_pipelines.media.lut_table import Lut
from studio_pipelines.media.sniff import CUBE

READ_ALONE = """
import sys
from pathlib import Path
from resources.artifacts import ArtifactStore
from studio_pipelines.grading.lut_reading import read_lut

store = ArtifactStore(url=Path(sys.argv[1]).as_uri())
assert read_lut(store, store.get(sys.argv[2])).title == "A"
parsers = {f"studio_pipelines.media.{name}" for name in ("lut_formats", "lut_text_formats")}
assert not parsers & sys.modules.keys()
"""


def kept(store: ArtifactStore, data: bytes, tmp_path: Path) -> Artifact:
    path = tmp_path / "lut"
    path.write_bytes(data)
    return store.adopt(path, media_type=CUBE.mime)


def cube(edge: int, title: str) -> bytes:
    return format_cube(Lut(table=np.zeros((edge,) * 3 + (3,), np.float32), title=title))


def test_no_text_is_parsed_in_the_worker(folder_store: ArtifactStore, tmp_path: Path) -> None:
    lut = kept(folder_store, cube(2, "A"), tmp_path)
    given = [str(tmp_path / "store"), lut.id]
    subprocess.run([sys.executable, "-c", READ_ALONE, *given], check=True, timeout=120)


def test_the_same_content_is_read_once(folder_store: ArtifactStore, tmp_path: Path) -> None:
    first, again = (kept(folder_store, cube(2, "same"), tmp_path) for _ in range(2))
    found = read_lut(folder_store, first)
    assert read_lut(folder_store, again) is found
    others = [kept(folder_store, cube(2, f"other {n}"), tmp_path) for n in range(MOST_KEPT)]
    for number, other in enumerate(others):
        told = read_lut(folder_store, other)
        assert told is not None
        assert told.title == f"other {number}"
    assert read_lut(folder_store, first) is not found


def test_a_large_table_is_not_kept(folder_store: ArtifactStore, tmp_path: Path) -> None:
    large = kept(folder_store, cube(72, "large"), tmp_path)
    found = read_lut(folder_store, large)
    assert found is not None
    assert found.table is not None
    assert found.table.nbytes > MOST_KEPT_BYTES
    assert read_lut(folder_store, large) is not found


def test_a_refusal_is_not_kept(folder_store: ArtifactStore, tmp_path: Path) -> None:
    broken = kept(folder_store, b"LUT_3D_SIZE 1\n0 0 0\n", tmp_path)
    for _ in range(2):
        with pytest.raises(UnusableMedia) as caught:
            read_lut(folder_store, broken)
        assert caught.value.field == "lut"
    assert read_lut(folder_store, None) is None
