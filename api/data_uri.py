"""Read ``data:`` URIs (RFC 2397): a small file written into the request itself."""

import binascii
import re
from dataclasses import dataclass
from urllib.parse import unquote, unquote_to_bytes

from api.fetch_policy import FileTooLarge
from studio_pipelines.errors import InvalidParameter

_SCHEME = "data:"
_WORD = (
    r"[A-Za-z0-9!#$&^_.+*'|~-]+"  # a token of RFC 7230, without what a URI cannot hold unescaped
)
_ATTRIBUTE = re.compile(rf'{_WORD}=(?:{_WORD}|"[^"]*")')
_MEDIA_TYPE = re.compile(rf"{_WORD}/{_WORD}")
_LONGEST_HEAD = 1024
# RFC 3986, without "#", which would begin a fragment.
_NOT_URI = re.compile(r"[^A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]|%(?![0-9A-Fa-f]{2})")
_HINT = "Write data:image/png;base64,<the file in base64>."


@dataclass(frozen=True, slots=True)
class InlineFile:
    """A file that was written into a request.

    Attributes:
        data: The file.
        claimed_media_type: Its media type in lower case, without parameters, as the URI claims it.
            Never to be trusted.
    """

    data: bytes
    claimed_media_type: str


def is_data_uri(reference: str) -> bool:
    """Tell whether a media reference is a ``data:`` URI."""
    return reference[: len(_SCHEME)].lower() == _SCHEME


def read_data_uri(uri: str, *, max_bytes: int, field: str | None = None) -> InlineFile:
    """Decode a ``data:`` URI, strictly; its size is known, and checked, before it is decoded.

    Args:
        uri: ``data:[media type][;attribute=value]*[;base64],data``. Base64 is the standard
            alphabet of RFC 4648 with its padding; ``%xx`` escapes may stand for any character.
        max_bytes: Largest file taken.
        field: The request field that held the URI, for the error.

    Raises:
        InvalidParameter: The URI is malformed.
        FileTooLarge: The file has more than ``max_bytes``.
    """
    head, comma, body = uri.partition(",")
    if not is_data_uri(uri) or not comma:
        raise InvalidParameter("This is not a complete data: URI.", field=field, hint=_HINT)
    media_type, is_base64 = _read_head(head[len(_SCHEME) :], field)
    if flaw := _NOT_URI.search(body):
        raise InvalidParameter(
            f"The data: URI has {flaw.group()!r} at character {len(head) + 1 + flaw.start()}, "
            "which no URI can hold.",
            field=field,
            hint="Escape it as %xx.",
        )
    if is_base64:
        body = unquote(body, encoding="latin-1") if "%" in body else body
    size_bytes = _base64_size(body) if is_base64 else len(body) - 2 * body.count("%")
    if size_bytes > max_bytes:
        raise FileTooLarge(
            f"The data: URI holds {size_bytes:,} bytes; the limit is {max_bytes:,}.",
            field=field,
            hint="Upload the file to /api/assets and give its asset id.",
        )
    data = _from_base64(body, field) if is_base64 else unquote_to_bytes(body)
    return InlineFile(data, media_type)


def _read_head(head: str, field: str | None) -> tuple[str, bool]:
    """Return the media type and whether the data is base64."""
    media_type, *attributes = unquote(head[:_LONGEST_HEAD]).split(";")
    is_base64 = bool(attributes) and attributes[-1].strip().lower() == "base64"
    if is_base64:
        attributes.pop()
    if (
        len(head) > _LONGEST_HEAD
        or (media_type and not _MEDIA_TYPE.fullmatch(media_type))
        or not all(map(_ATTRIBUTE.fullmatch, attributes))
    ):
        raise InvalidParameter(
            f"The data: URI has a malformed media type: {head[:80]!r}.", field=field, hint=_HINT
        )
    return media_type.lower() or "text/plain", is_base64


def _base64_size(body: str) -> int:
    padding = len(body) - len(body[-2:].rstrip("=")) - len(body[:-2])
    return len(body) // 4 * 3 - padding


def _from_base64(body: str, field: str | None) -> bytes:
    try:
        return binascii.a2b_base64(body, strict_mode=True)
    except ValueError:  # binascii.Error is one, and so is text that is not ASCII
        raise InvalidParameter(
            "The data: URI is marked base64 and is not valid base64.",
            field=field,
            hint="Use the standard alphabet (A-Z a-z 0-9 + /) with = at the end, no line breaks.",
        ) from None
