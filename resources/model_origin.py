"""Where a model's files come from: a package, a repository of a hub, or a folder."""

import re
from dataclasses import dataclass
from enum import StrEnum


class OriginKind(StrEnum):
    """The ordinary clients that fetch models."""

    PYPI = "pypi"
    NPM = "npm"
    HUB = "hub"
    FOLDER = "folder"


# A name never begins with a dash: it is handed to a client as an argument.
_FORMS = {
    OriginKind.PYPI: (
        re.compile(r"(?P<name>\w[\w.-]*)==(?P<version>\w[\w.!+-]*)", re.ASCII),
        "pypi:PACKAGE==VERSION",
    ),
    OriginKind.NPM: (
        re.compile(r"(?P<name>(?:@\w[\w.-]*/)?\w[\w.-]*)@(?P<version>\w[\w.+-]*)", re.ASCII),
        "npm:PACKAGE@VERSION",
    ),
    OriginKind.HUB: (
        re.compile(r"(?P<name>\w[\w.-]*(?:/\w[\w.-]*)?)(?:@(?P<version>[\w./-]*))?", re.ASCII),
        "hub:REPO@REVISION",
    ),
    OriginKind.FOLDER: (re.compile(r"(?P<name>[^\0\n]+)(?P<version>)"), "folder:PATH"),
}


@dataclass(frozen=True)
class Origin:
    """One source, taken apart.

    Attributes:
        kind: Which client fetches it.
        name: The package, the hub's repository, or the folder's path.
        version: The package's version or the hub's revision; empty where nobody has pinned one.
    """

    kind: OriginKind
    name: str
    version: str

    @classmethod
    def parse(cls, text: str) -> "Origin":
        """Take a source apart.

        Raises:
            ValueError: The text has none of the four forms.
        """
        prefix, _, rest = text.partition(":")
        if prefix not in list(OriginKind):
            forms = ", ".join(form for _, form in _FORMS.values())
            raise ValueError(f"{text!r} is no source of models; the forms are {forms}")
        kind = OriginKind(prefix)
        pattern, form = _FORMS[kind]
        match = pattern.fullmatch(rest)
        if match is None:
            raise ValueError(f"{text!r} does not have the form {form}")
        return cls(kind, match["name"], match["version"] or "")
