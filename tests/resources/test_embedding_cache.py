"""What is kept of pictures: bounded, the oldest forgotten first, and nothing half."""

import os
import time
from pathlib import Path

from resources.embedding_cache import EmbeddingCache


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def aged(folder: Path, name: str, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(folder / name, (then, then))


def test_what_was_kept_is_read(tmp_path: Path) -> None:
    cache = EmbeddingCache(folder=str(tmp_path / "made"))
    assert cache.read("one") is None
    cache.write("one", b"1" * 100)
    assert cache.read("one") == b"1" * 100
    cache.write("one", b"2")
    assert cache.read("one") == b"2"
    assert names(tmp_path / "made") == {"one"}


def test_the_one_that_nobody_read_for_longest_goes(tmp_path: Path) -> None:
    cache = EmbeddingCache(folder=str(tmp_path), limit_bytes=3 * 132)
    for n, name in enumerate(("a", "b", "c")):
        cache.write(name, bytes(100))
        aged(tmp_path, name, 100 - n)
    assert cache.read("a") == bytes(100)
    cache.write("d", bytes(100))
    assert names(tmp_path) == {"a", "c", "d"}


def test_what_is_larger_than_the_limit_is_not_kept(tmp_path: Path) -> None:
    cache = EmbeddingCache(folder=str(tmp_path), limit_bytes=100)
    cache.write("small", bytes(60))
    cache.write("large", bytes(90))
    assert names(tmp_path) == {"small"}
    EmbeddingCache(folder=str(tmp_path / "none"), limit_bytes=0).write("x", b"")
    assert not (tmp_path / "none").exists()


def test_a_damaged_record_is_no_record(tmp_path: Path) -> None:
    cache = EmbeddingCache(folder=str(tmp_path))
    cache.write("one", b"a record")
    for broken in (b"", b"short", (tmp_path / "one").read_bytes()[:-1] + b"?"):
        (tmp_path / "one").write_bytes(broken)
        assert cache.read("one") is None


def test_what_a_killed_process_left_goes_after_a_while(tmp_path: Path) -> None:
    for name, seconds in ((".writing-old", 7200), (".writing-new", 60)):
        (tmp_path / name).write_bytes(b"half")
        aged(tmp_path, name, seconds)
    EmbeddingCache(folder=str(tmp_path)).write("one", b"1")
    assert names(tmp_path) == {"one", ".writing-new"}


def test_a_folder_that_cannot_be_made_fails_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = EmbeddingCache(folder=str(tmp_path / "file" / "cache"))
    cache.write("one", b"1")
    assert cache.read("one") is None
