"""Reading forms as they arrive."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import BadJson, InvalidRequest, UploadTooLarge
from api.multipart import MAX_FIELD_BYTES, MAX_FORM_TEXT_BYTES, MAX_PARTS, Part, read_form

Field = tuple[str, str]
File = tuple[str, str, bytes]
NAMES = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=8)
TEXTS = st.text(max_size=60)
BYTES = st.binary(max_size=300) | st.sampled_from([b"\r\n--b", b"\r\n--boundary--\r\n", b"--"])
"""Also what looks like the end of a part."""


def encode(fields: Sequence[Field], files: Sequence[File]) -> tuple[bytes, str]:
    """Write a form as httpx does."""
    if not fields and not files:
        return b"--b--\r\n", "multipart/form-data; boundary=b"
    parts = [(name, (None, text.encode())) for name, text in fields]
    parts += [(name, (filename, data)) for name, filename, data in files]
    request = httpx.Request("POST", "http://studio", files=parts)
    return request.read(), request.headers["content-type"]


def read(
    body: bytes, content_type: str, cuts: Sequence[int] = ()
) -> tuple[list[Field], list[File]]:
    """Read a form that arrives in pieces, cut at these places."""
    places = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    files: dict[int, list[bytes]] = {}
    parts: dict[int, Part] = {}

    async def pieces() -> AsyncIterator[bytes]:
        for start, end in pairwise(places):
            yield body[start:end]

    async def on_file(part: Part, data: bytes) -> None:
        parts[id(part)] = part
        files.setdefault(id(part), []).append(data)

    fields = asyncio.run(read_form(content_type, pieces(), on_file))
    assert all(part.complete for part in parts.values())
    named = [(parts[key].name, parts[key].filename or "", b"".join(files[key])) for key in files]
    return fields, named


@given(
    fields=st.lists(st.tuples(NAMES, TEXTS), max_size=4),
    files=st.lists(st.tuples(NAMES, NAMES, BYTES), max_size=3),
    cuts=st.lists(st.integers(0, 10_000), max_size=12),
)
def test_however_it_is_cut_the_form_is_the_same(
    fields: list[Field], files: list[File], cuts: list[int]
) -> None:
    body, content_type = encode(fields, files)
    assert read(body, content_type, cuts) == (fields, files)


def test_one_byte_at_a_time() -> None:
    fields, files = [("a", "b"), ("a", "ü")], [("image", "a.png", b"\r\n\r\n--\r")]
    body, content_type = encode(fields, files)
    assert read(body, content_type, range(len(body))) == (fields, files)


@given(st.binary(max_size=300), st.lists(st.integers(0, 400), max_size=4))
def test_no_bytes_do_more_than_a_clear_refusal(body: bytes, cuts: list[int]) -> None:
    for whole in (body, b"--b\r\n" + body, b"--b\r\nContent-Disposition: form-data;" + body):
        with suppress(BadJson, InvalidRequest):
            read(whole, "multipart/form-data; boundary=b", cuts)


@given(st.integers(1, 200))
def test_a_form_that_ends_early_is_refused(missing: int) -> None:
    body, content_type = encode([("a", "b" * 100)], [("image", "a.png", b"c" * 100)])
    # The final line break is all that may be missing.
    if missing > 2:
        with pytest.raises(BadJson):
            read(body[:-missing], content_type)


def test_a_form_without_a_boundary_is_refused() -> None:
    with pytest.raises(BadJson, match="no boundary"):
        read(b"", "multipart/form-data")


def test_a_plain_field_has_a_limit() -> None:
    with pytest.raises(UploadTooLarge) as caught:
        read(*encode([("a", "x" * (MAX_FIELD_BYTES + 1))], []))
    assert caught.value.field == "a"


def test_the_number_of_parts_has_a_limit() -> None:
    most = [("a", "b")] * MAX_PARTS
    assert read(*encode(most, []))[0] == most
    body, content_type = encode([*most, ("a", "b")], [])
    for cuts in ((), range(0, len(body), 50)):  # also where parts come one after the other
        with pytest.raises(InvalidRequest, match=str(MAX_PARTS)):
            read(body, content_type, cuts)


def test_the_text_of_all_parts_together_has_a_limit() -> None:
    most = [("a", "x" * MAX_FIELD_BYTES)] * (MAX_FORM_TEXT_BYTES // MAX_FIELD_BYTES)
    assert read(*encode(most, []))[0] == most
    with pytest.raises(UploadTooLarge, match="together"):
        read(*encode([*most, ("a", "b")], []))


def test_the_head_of_a_part_has_a_limit() -> None:
    endless = b'--b\r\nContent-Disposition: form-data; name="' + b"x" * 10_000
    many = b"--b\r\n" + b"X: y\r\n" * 1000
    for body in (endless, many):
        with pytest.raises(BadJson, match="broken"):
            read(body, "multipart/form-data; boundary=b", range(0, len(body), 100))
