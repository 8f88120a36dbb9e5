"""Bodies, JSON and form, through requests as Starlette has them."""

import asyncio
import json
from typing import Any, Literal

import httpx
import pytest
from fastapi import Request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field

from api.callers import LOCAL
from api.errors import BadJson, InvalidRequest, UploadTooLarge
from api.intake import Intake
from api.request_body import MAX_JSON_BYTES, read_body
from resources.artifacts import ArtifactStore
from studio_pipelines.operation import Parameters

LIMIT = 1000
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


class Inner(Parameters):
    """Fields within a field."""

    text: str = ""
    size: float = 1.0


class Title(Parameters):
    """Fields of each kind that a form tells apart."""

    image: str | None = None
    text: str | None = None
    mode: Literal["1", "2"] = "1"
    size: float = 1.0
    tags: list[str] = Field(default=[])
    pictures: str | list[str] | None = None
    box: tuple[int, int, int, int] | None = None
    colour: str | list[float] = "#000000"
    inner: Inner = Field(default=Inner(), description="As a chain's body has for each step.")


def read(store: ArtifactStore, request: httpx.Request, piece_bytes: int = 7) -> dict[str, Any]:
    """Read a request as a server does that gets it in small pieces."""
    whole = request.read()
    pieces = [whole[at : at + piece_bytes] for at in range(0, len(whole), piece_bytes)] or [b""]
    messages = [
        {"type": "http.request", "body": piece, "more_body": at < len(pieces) - 1}
        for at, piece in enumerate(pieces)
    ]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    scope = {"type": "http", "headers": [(k.lower(), v) for k, v in request.headers.raw]}

    async def take() -> dict[str, Any]:
        with Intake(store, LIMIT, LOCAL) as intake:
            return await read_body(Request(scope, receive), intake, Title)

    return asyncio.run(take())


def post(**content: Any) -> httpx.Request:
    return httpx.Request("POST", "http://studio", **content)


def form(*fields: tuple[str, str], **files: bytes) -> httpx.Request:
    parts: list[Any] = [(name, (None, text)) for name, text in fields]
    return post(files=[*parts, *((name, (name, data)) for name, data in files.items())])


@given(st.dictionaries(st.text(), JSON, max_size=4))
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_json_object_is_read_as_it_is(folder_store: ArtifactStore, body: dict[str, Any]) -> None:
    assert read(folder_store, post(content=json.dumps(body).encode())) == body


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b"3", b"\xff", b"[" * 100_000])
def test_anything_else_is_refused(folder_store: ArtifactStore, body: bytes) -> None:
    with pytest.raises(BadJson):
        read(folder_store, post(content=body), piece_bytes=50_000)


def test_json_has_a_limit(folder_store: ArtifactStore) -> None:
    with pytest.raises(UploadTooLarge):
        read(folder_store, post(content=b" " * (MAX_JSON_BYTES + 1)), piece_bytes=8 << 20)


def test_a_file_becomes_a_reference(folder_store: ArtifactStore, pixel_png: bytes) -> None:
    body = read(folder_store, form(("size", "2"), image=pixel_png))
    kept = folder_store.get(body.pop("image").removeprefix("asset:"))
    assert body == {"size": 2}
    assert (kept.media_type, kept.bytes, kept.filename) == ("image/png", len(pixel_png), "image")


def test_files_of_one_name_are_a_list_where_the_field_takes_one(
    folder_store: ArtifactStore, pixel_png: bytes
) -> None:
    pieces = [("pictures", ("a", pixel_png)), ("size", (None, "2")), ("pictures", ("b", b"other"))]
    body = read(folder_store, post(files=pieces))
    kept = [folder_store.get(one.removeprefix("asset:")) for one in body.pop("pictures")]
    assert body == {"size": 2}
    assert [one.filename for one in kept] == ["a", "b"]
    assert [folder_store.open(one).read() for one in kept] == [pixel_png, b"other"]


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ([("size", "0.5")], {"size": 0.5}),
        ([("text", "123")], {"text": "123"}),
        ([("text", "true")], {"text": "true"}),
        ([("text", '"quoted"')], {"text": '"quoted"'}),
        ([("mode", "2")], {"mode": "2"}),
        ([("image", "asset:ast_1")], {"image": "asset:ast_1"}),
        ([("tags", "a"), ("tags", "b")], {"tags": ["a", "b"]}),
        ([("tags", "a")], {"tags": ["a"]}),
        ([("tags", '["a", "b"]')], {"tags": ["a", "b"]}),
        ([("pictures", "asset:a")], {"pictures": "asset:a"}),
        ([("pictures", "asset:a"), ("pictures", "asset:b")], {"pictures": ["asset:a", "asset:b"]}),
        ([("pictures", '["asset:a"]')], {"pictures": ["asset:a"]}),
        ([("box", "[0, 0, 9, 9]")], {"box": [0, 0, 9, 9]}),
        ([("colour", "#ff0000")], {"colour": "#ff0000"}),
        ([("colour", "[1, 0, 0]")], {"colour": [1, 0, 0]}),
        ([("unknown", "1")], {"unknown": 1}),
        ([("inner.text", "5"), ("inner.size", "5")], {"inner.text": "5", "inner.size": 5}),
        ([("inner", '{"text": "5"}')], {"inner": {"text": "5"}}),
        ([("params", '{"size": 2, "text": "1"}')], {"size": 2, "text": "1"}),
    ],
)
def test_text_parts_are_read_as_their_schema_says(
    folder_store: ArtifactStore, fields: list[tuple[str, str]], body: dict[str, Any]
) -> None:
    assert read(folder_store, form(*fields)) == body


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (form(("params", "{}"), ("size", "1")), "params"),
        (form(("params", "{}"), ("params", "{}")), "params"),
        (form(("image", "asset:ast_1"), image=b"x"), "image"),
        (post(files=[("image", ("a", b"x")), ("image", ("b", b"y"))]), "image"),
    ],
)
def test_a_field_given_twice_is_refused_and_its_files_are_gone(
    folder_store: ArtifactStore, request_: httpx.Request, field: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(folder_store, request_)
    assert caught.value.field == field
    fs, root = folder_store._layout.fs, folder_store._layout.root
    assert fs.find(root) == []


def test_a_file_has_a_limit(folder_store: ArtifactStore) -> None:
    assert read(folder_store, form(image=bytes(LIMIT)))["image"].startswith("asset:")
    with pytest.raises(UploadTooLarge) as caught:
        read(folder_store, form(image=bytes(LIMIT + 1)))
    assert caught.value.field == "image"


def test_params_that_are_no_object_are_refused(folder_store: ArtifactStore) -> None:
    with pytest.raises(BadJson, match="params part"):
        read(folder_store, form(("params", "[1]")))
