import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.data_uri import InlineFile, is_data_uri, read_data_uri
from api.fetch_policy import FileTooLarge
from studio_pipelines.errors import InvalidParameter

LIMIT = 1_000_000


@given(st.binary(max_size=2000))
def test_base64_gives_the_bytes_back(data: bytes) -> None:
    encoded = base64.b64encode(data).decode()
    for body in (encoded, quote(encoded, safe="")):
        uri = f"data:image/png;base64,{body}"
        assert read_data_uri(uri, max_bytes=LIMIT) == InlineFile(data, "image/png")


@given(st.binary(max_size=2000))
def test_percent_encoding_gives_the_bytes_back(data: bytes) -> None:
    uri = f"data:application/octet-stream,{quote(data, safe='/')}"
    assert read_data_uri(uri, max_bytes=LIMIT).data == data


@given(st.binary(min_size=1, max_size=400), st.booleans())
def test_the_limit_is_exact(data: bytes, as_base64: bool) -> None:
    body = ";base64," + base64.b64encode(data).decode() if as_base64 else "," + quote(data)
    assert read_data_uri(f"data:{body}", max_bytes=len(data)).data == data
    with pytest.raises(FileTooLarge, match=f"holds {len(data):,} bytes"):
        read_data_uri(f"data:{body}", max_bytes=len(data) - 1)


@given(st.text())
def test_any_text_is_decoded_or_refused(text: str) -> None:
    for uri in (text, f"data:{text}", f"data:,{text}", f"data:;base64,{text}"):
        try:
            file = read_data_uri(uri, max_bytes=100)
        except (InvalidParameter, FileTooLarge):
            continue
        assert len(file.data) <= 100


@pytest.mark.parametrize(
    ("uri", "data", "media_type"),
    [
        ("data:,", b"", "text/plain"),
        ("data:,A%20brief%20note", b"A brief note", "text/plain"),
        ("DATA:Image/PNG;BASE64,AAEC", b"\0\1\2", "image/png"),
        ("data:;base64,QQ==", b"A", "text/plain"),
        ("data:text/plain;charset=utf-8,%C3%A9,x", b"\xc3\xa9,x", "text/plain"),
        ("data:audio/ogg;codecs=opus;base64,QUI=", b"AB", "audio/ogg"),
        ('data:text/plain;a="b%20c",x', b"x", "text/plain"),
        ("data:image/svg%2Bxml,%3Csvg/%3E", b"<svg/>", "image/svg+xml"),
        ("data:application/vnd.a-b+json,1", b"1", "application/vnd.a-b+json"),
    ],
)
def test_accepted_forms(uri: str, data: bytes, media_type: str) -> None:
    assert read_data_uri(uri, max_bytes=LIMIT) == InlineFile(data, media_type)


@pytest.mark.parametrize(
    "uri",
    [
        "", "data:", "data", "dat:,x", "data:image/png;base64", "http://x/,", " data:,x",
        "data:image,x", "data:/png,x", "data:image/,x", "data:a/b/c,x", "data:im age/png,x",
        "data:image/png;,x", "data:image/png;charset,x", "data:image/png;base64;x=1;y,QQ==",
        "data:base64,QQ==", "data:" + "a" * 5000 + "/b,x", "data:a/b\n,x",
        "data:;base64,QQ=", "data:;base64,QQ", "data:;base64,Q", "data:;base64,QQ==QQ==",
        "data:;base64,====", "data:;base64,=QQ=", "data:;base64,Q Q=", "data:;base64,Q%0AQ=",
        "data:;base64,_-8=", "data:;base64,QQ==\n", "data:;base64,é", "data:;base64,%C3%A9==",
        "data:,a b", "data:,<svg>", "data:,%", "data:,%4", "data:,%zz", "data:,é", "data:,a#b",
        "data:,a\nb", 'data:,"', "data:,\x00",
    ],
)  # fmt: skip
def test_malformed_uris_are_refused(uri: str) -> None:
    with pytest.raises(InvalidParameter) as refusal:
        read_data_uri(uri, max_bytes=LIMIT, field="mask")
    assert refusal.value.field == "mask"
    assert refusal.value.status == 422


def test_the_place_of_a_wrong_character_is_told() -> None:
    with pytest.raises(InvalidParameter, match="'<' at character 8,"):
        read_data_uri("data:,ab<", max_bytes=LIMIT)


def test_the_size_is_refused_before_the_base64_is_looked_at() -> None:
    with pytest.raises(FileTooLarge):
        read_data_uri("data:;base64," + "=" * 8000, max_bytes=1000)


def test_is_data_uri() -> None:
    assert is_data_uri("Data:,x")
    assert not is_data_uri("asset:data:")
