"""Declarations of models: what they may say, and what is refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.model_declaration import InvalidDeclaration, read_declarations, tree_sha256
from resources.model_origin import Origin, OriginKind

GOOD = """\
[[model]]
name = "tiny"
version = "1"
licence = "MIT"
commercial_use = true
serves = ["audio-demixer"]
engine = "tiny"
memory_mib = 1
source = "pypi:tiny-weights==1.0"
files = [{ path = "weights.bin", from = "tiny/weights.bin", sha256 = "", bytes = 4 }]
"""


def read(folder: Path, text: str) -> dict:
    folder.joinpath("tiny.toml").write_text(text)
    return read_declarations([folder])


@pytest.mark.parametrize(
    ("text", "kind", "name", "version"),
    [
        ("pypi:tiny-weights==1.0.post1", OriginKind.PYPI, "tiny-weights", "1.0.post1"),
        ("npm:@scope/tiny@1.2.3-beta.1", OriginKind.NPM, "@scope/tiny", "1.2.3-beta.1"),
        ("npm:tiny@1.2.3", OriginKind.NPM, "tiny", "1.2.3"),
        ("hub:org/repo@0123abc", OriginKind.HUB, "org/repo", "0123abc"),
        ("hub:org/repo", OriginKind.HUB, "org/repo", ""),
        ("hub:repo@refs/pr/1", OriginKind.HUB, "repo", "refs/pr/1"),
        ("folder:/mnt/weights of mine", OriginKind.FOLDER, "/mnt/weights of mine", ""),
    ],
)
def test_sources_are_taken_apart(text: str, kind: OriginKind, name: str, version: str) -> None:
    assert Origin.parse(text) == Origin(kind, name, version)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tiny",
        "git:tiny==1",
        "pypi:tiny",
        "pypi:tiny>=1",
        "pypi:--index-url==1",
        "pypi:tiny==1 --pre",
        "pypi:tiny==-r",
        "npm:tiny",
        "npm:--registry@1",
        "npm:../tiny@1",
        "hub:a/b/c@1",
        "hub:-x/y",
        "folder:",
    ],
)
def test_other_sources_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"source of models|does not have the form"):
        Origin.parse(text)


@given(st.sampled_from(["pypi:", "npm:", "hub:"]), st.text())
def test_no_source_becomes_an_option_of_a_client(prefix: str, rest: str) -> None:
    try:
        origin = Origin.parse(prefix + rest)
    except ValueError:
        return
    for said in (origin.name, origin.version):
        assert not said.startswith("-")
        assert not any(character.isspace() for character in said)


def test_a_declaration_is_read(tmp_path: Path) -> None:
    (tiny,) = read(tmp_path, GOOD).values()
    assert tiny.name == "tiny"
    assert tiny.files[0].parts == ("tiny/weights.bin",)
    assert tiny.size_bytes == 4
    assert tiny.role == "main"
    assert tiny.public_source == "pypi:tiny-weights==1.0"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('licence = "MIT"\n', "", "licence"),
        ('"tiny"\nversion', '"../tiny"\nversion', "name"),
        ("memory_mib = 1", "memory_mib = 1\nsize = 2", "size"),
        ('sha256 = ""', 'sha256 = "abc"', "sha256"),
        ('"pypi:tiny-weights==1.0"', '"tiny-weights"', "source"),
        ('path = "weights.bin"', 'path = "/etc/passwd"', "path"),
        ('path = "weights.bin"', 'path = "a/../../b"', "path"),
        ('path = "weights.bin"', 'path = "model.lock.json"', "path"),
        ("[[model]]", "[[models]]", r"no \[\[model\]\] table"),
        ("[[model]]", "[[model", "cannot be read"),
        ('engine = "tiny"', 'engine = "tiny"\nconvert = "os.system"', "convert"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    assert old in GOOD
    with pytest.raises(InvalidDeclaration, match=told):
        read(tmp_path, GOOD.replace(old, new))


def test_one_name_is_declared_once(tmp_path: Path) -> None:
    tmp_path.joinpath("other.toml").write_text(GOOD)
    with pytest.raises(InvalidDeclaration, match="'tiny' once more"):
        read(tmp_path, GOOD)


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD)["tiny"].rank == 0
    assert (
        read(tmp_path, GOOD.replace('engine = "tiny"', 'engine = "tiny"\nrank = 7'))["tiny"].rank
        == 7
    )


def test_a_fingerprint_follows_the_files_and_not_the_words(tmp_path: Path) -> None:
    first = read(tmp_path, GOOD)["tiny"].fingerprint()
    assert (
        read(tmp_path, GOOD.replace("memory_mib = 1", "memory_mib = 9"))["tiny"].fingerprint()
        == first
    )
    for old, new in (("==1.0", "==1.1"), ('sha256 = ""', f'sha256 = "{"0" * 64}"')):
        assert read(tmp_path, GOOD.replace(old, new))["tiny"].fingerprint() != first


def test_a_folder_of_the_users_is_not_told_outside(tmp_path: Path) -> None:
    text = GOOD.replace("pypi:tiny-weights==1.0", "folder:weights")
    tiny = read(tmp_path, text)["tiny"]
    assert tiny.public_source == "folder"
    assert tiny.origin_of(tiny.files[0]).name == str(tmp_path / "weights")


def test_the_hash_of_a_tree_is_that_of_its_sha256sum_list() -> None:
    import hashlib

    listing = b"aa  a.bin\nbb  b/c.bin\n"
    assert tree_sha256({"b/c.bin": "bb", "a.bin": "aa"}) == hashlib.sha256(listing).hexdigest()
