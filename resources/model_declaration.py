"""What is known of a model before it is here: data beside the code that loads it.

A declaration is a ``[[model]]`` table of a TOML file (``studio_pipelines/models/<family>.toml``, or
a file of the user's own in the models folder).
"""

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from resources.model_origin import Origin, OriginKind

LOCK_NAME = "model.lock.json"
MAIN_ROLE = "main"
NAME = r"^[A-Za-z0-9][A-Za-z0-9._+-]*$"


class InvalidDeclaration(ValueError):
    """A file of declarations cannot be read, or says what cannot be."""


def _checked_source(text: str) -> str:
    if text:
        Origin.parse(text)
    return text


def _checked_path(text: str) -> str:
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or "\\" in text or path.name == LOCK_NAME:
        raise ValueError(f"{text!r} is no path inside a model's folder")
    return text


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Sha256 = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
Source = Annotated[str, AfterValidator(_checked_source)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class ModelFile(_Record):
    """One file of a model's folder, or a folder of files.

    Attributes:
        path: Name in the model's folder. One that ends in ``/`` is a folder, of all files that
            match the patterns in ``parts``; ``./`` is the model's folder itself.
        parts: Names inside the source, joined in this order; of a folder, patterns in which ``*``
            also stands for ``/``. They keep their names below the folder that all patterns share.
        source: Where they come from, if not from the model's own source.
        sha256: Hash of the file; of a folder, as :func:`tree_sha256` gives it. Empty where nobody
            has seen it: the first pull records it.
        size_bytes: Size of the file, or of all files of the folder; 0 where it is not known.
    """

    path: Annotated[str, Field(min_length=1), AfterValidator(_checked_path)]
    parts: tuple[str, ...] = Field(alias="from", min_length=1)
    source: Source = ""
    sha256: Sha256 = ""
    size_bytes: int = Field(0, alias="bytes", ge=0)

    @property
    def is_folder(self) -> bool:
        """Whether it stands for all files that match."""
        return self.path.endswith("/")

    @model_validator(mode="before")
    @classmethod
    def _one_part_is_a_list(cls, values: Any) -> Any:
        if isinstance(values, dict) and "from" in values:
            return {**values, "from": _as_list(values["from"])}
        return values


class ModelDeclaration(_Record):
    """A model that the studio knows.

    Attributes:
        name: Its name upstream, which is also its folder's.
        version: Its version upstream.
        licence: SPDX id of the weights' licence, or its plain name.
        licence_note: What else to know about the licence.
        commercial_use: Whether the licence allows to earn money with what the model makes.
        serves: Ids of the workers that it is for.
        role: What it is for there, where a worker needs several models at a time.
        embedded: Whether set-up pulls it.
        rank: Of the models that are here, ``auto`` takes the one with the highest.
        engine: Which of the operation's ways to load and run it; the operation's own word.
        options: What else that engine needs to know.
        memory_mib: What it takes loaded, as a first guess.
        source: Where its files come from.
        download_bytes: What is fetched, where that differs from the files' sizes.
        files: What its folder is made of.
        convert: ``module:function``, called once after the files were checked with two folders:
            it reads the first and writes the model's folder into the second.
        convert_version: Raised when the conversion gives other files.
        home: Folder of the declaring file; a relative ``folder:`` source begins there.
    """

    name: str = Field(pattern=NAME)
    version: str
    licence: str = Field(min_length=1)
    licence_note: str = ""
    commercial_use: bool
    serves: tuple[str, ...] = Field(min_length=1)
    role: str = MAIN_ROLE
    embedded: bool = False
    rank: int = 0
    engine: str = Field(min_length=1)
    options: Mapping[str, Any] = Field(default_factory=dict)
    memory_mib: float = Field(ge=0)
    source: Annotated[str, Field(min_length=1), AfterValidator(_checked_source)]
    download_bytes: int = Field(0, ge=0)
    files: tuple[ModelFile, ...] = Field(min_length=1)
    convert: str = Field("", pattern=r"^([\w.]+:\w+)?$")
    convert_version: int = 1
    home: Path

    @model_validator(mode="after")
    def _files_differ(self) -> "ModelDeclaration":
        paths = [file.path for file in self.files if not file.is_folder]
        if len(set(paths)) < len(paths):
            raise ValueError("two files have the same path")
        return self

    @property
    def size_bytes(self) -> int:
        """What its files take on the disk, as far as it is declared."""
        return sum(file.size_bytes for file in self.files)

    @property
    def public_source(self) -> str:
        """Its source as answers name it: never a path of this machine."""
        kind = Origin.parse(self.source).kind
        return kind.value if kind is OriginKind.FOLDER else self.source

    def origin_of(self, file: ModelFile) -> Origin:
        """Return where a file comes from, a folder's path made absolute."""
        origin = Origin.parse(file.source or self.source)
        if origin.kind is not OriginKind.FOLDER:
            return origin
        return Origin(origin.kind, str(self.home / Path(origin.name).expanduser()), "")

    def fingerprint(self) -> str:
        """Return a hash of all that decides what its folder holds."""
        said = self.model_dump(
            mode="json", include={"name", "version", "source", "files", "convert"}
        )
        said["convert_version"] = self.convert_version
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def tree_sha256(hashes: Mapping[str, str]) -> str:
    """Return one hash of several files: that of the list which ``sha256sum`` prints, by name."""
    lines = (f"{sha256}  {path}\n" for path, sha256 in sorted(hashes.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_declarations(folders: Sequence[Path]) -> dict[str, ModelDeclaration]:
    """Return the models that the folders' TOML files declare, by name; each file is parsed once.

    Raises:
        InvalidDeclaration: A file cannot be used, or two models have one name.
    """
    found: dict[str, ModelDeclaration] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.toml")):
            stat = path.stat()
            for one in _parsed(path, stat.st_mtime_ns, stat.st_size):
                if one.name in found:
                    raise InvalidDeclaration(f"{path.name} declares {one.name!r} once more")
                found[one.name] = one
    return found


@lru_cache(maxsize=256)
def _parsed(path: Path, _mtime_ns: int, _size_bytes: int) -> tuple[ModelDeclaration, ...]:
    try:
        tables = tomllib.loads(path.read_text())["model"]
        return tuple(ModelDeclaration(**table, home=path.parent) for table in tables)
    except KeyError as error:
        raise InvalidDeclaration(f"{path.name} has no [[model]] table") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, TypeError) as error:
        raise InvalidDeclaration(f"{path.name} cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidDeclaration(f"{path.name}: {place}: {first['msg']}") from error
