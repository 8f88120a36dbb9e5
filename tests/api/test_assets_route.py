"""``/api/assets`` over HTTP."""

import hashlib
import secrets

import httpx
import pytest
from running_studio import RunningStudio, eventually, problem_in

pytestmark = pytest.mark.stack


@pytest.fixture
def stored(studio: RunningStudio) -> tuple[str, bytes]:
    """The path of an asset of 10,000 bytes, and the bytes."""
    data = secrets.token_bytes(10_000)
    return f"/api/assets/{studio.upload(data).removeprefix('asset:')}", data


def test_a_raw_body_is_stored_and_described(studio: RunningStudio, pixel_png: bytes) -> None:
    answer = studio.client.post("/api/assets", content=pixel_png)
    assert answer.status_code == 201
    asset = answer.json()
    assert asset["mediaType"] == "image/png"
    assert asset["bytes"] == len(pixel_png)
    assert asset["sha256"] == hashlib.sha256(pixel_png).hexdigest()
    assert asset["url"] == f"{studio.stack.api_url}/api/assets/{asset['id']}"
    described = studio.client.get(f"/api/assets/{asset['id']}/metadata").json()
    assert described == {name: value for name, value in asset.items() if name != "success"}
    assert studio.client.get(asset["url"]).content == pixel_png


def test_a_form_keeps_the_name_of_the_file(studio: RunningStudio, pixel_png: bytes) -> None:
    answer = studio.client.post("/api/assets", files={"file": ('a "day".png', pixel_png)})
    assert answer.status_code == 201, answer.text
    download = studio.client.get(answer.json()["url"])
    assert download.headers["content-disposition"].startswith("inline")
    assert download.headers["content-type"] == "image/png"
    assert download.headers["x-content-type-options"] == "nosniff"


def test_equal_bytes_are_two_assets_of_one_tag(studio: RunningStudio) -> None:
    data = secrets.token_bytes(100)
    first, second = (studio.upload(data).removeprefix("asset:") for _ in range(2))
    assert first != second
    tags = {studio.client.get(f"/api/assets/{one}").headers["etag"] for one in (first, second)}
    assert tags == {f'"{hashlib.sha256(data).hexdigest()}"'}
    assert studio.client.delete(f"/api/assets/{first}").status_code == 200
    problem_in(studio.client.get(f"/api/assets/{first}"), 404, "asset_not_found")
    assert studio.client.get(f"/api/assets/{second}").content == data


def test_an_asset_that_has_not_changed_is_not_sent_again(
    studio: RunningStudio, stored: tuple[str, bytes]
) -> None:
    path, _ = stored
    tag = studio.client.get(path).headers["etag"]
    for sent in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = studio.client.get(path, headers={"If-None-Match": sent})
        assert again.status_code == 304, sent
        assert again.content == b""
        assert again.headers["etag"] == tag
    assert studio.client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("bytes=0-99", 0, 99), ("bytes=9000-", 9000, 9999), ("bytes=-10", 9990, 9999)],
)
def test_a_range_of_the_bytes(
    studio: RunningStudio, stored: tuple[str, bytes], asked: str, first: int, last: int
) -> None:
    path, data = stored
    part = studio.client.get(path, headers={"Range": asked})
    assert part.status_code == 206
    assert part.content == data[first : last + 1]
    assert part.headers["content-range"] == f"bytes {first}-{last}/10000"


def test_a_range_beyond_the_end(studio: RunningStudio, stored: tuple[str, bytes]) -> None:
    answer = studio.client.get(stored[0], headers={"Range": "bytes=10000-"})
    assert answer.status_code == 416


def test_head_tells_the_size_without_the_bytes(
    studio: RunningStudio, stored: tuple[str, bytes]
) -> None:
    path, data = stored
    answer = studio.client.head(path)
    assert answer.status_code == 200
    assert answer.headers["content-length"] == str(len(data))
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["etag"] == studio.client.get(path).headers["etag"]
    assert answer.content == b""
    assert studio.client.head("/api/assets/ast_0").status_code == 404


@pytest.mark.parametrize("asset_id", ["ast_0", "nonsense", "..%2Fstack.lock", "ast_..%2F..%2Fx"])
def test_an_asset_that_there_is_not(studio: RunningStudio, asset_id: str) -> None:
    for answer in (
        studio.client.get(f"/api/assets/{asset_id}"),
        studio.client.delete(f"/api/assets/{asset_id}"),
    ):
        assert answer.status_code in (404, 405)
        assert answer.headers["content-type"] == "application/problem+json"


def test_an_upload_without_one_file_is_refused_and_leaves_nothing(
    studio: RunningStudio, pixel_png: bytes
) -> None:
    before = studio.stored_files()
    post = studio.client.post
    problem_in(post("/api/assets", content=b""), 422, "unusable_media")
    problem_in(post("/api/assets", files={"file": ("a", b"")}), 422, "unusable_media")
    two = {"file": ("a", pixel_png + b"a"), "other": ("b", pixel_png + b"b")}
    problem_in(post("/api/assets", files=two), 422, "invalid_request")
    problem_in(post("/api/assets", files={"file": (None, "text")}), 422, "invalid_request")
    assert studio.stored_files() == before


def test_an_upload_over_the_limit_is_refused_and_leaves_nothing(studio: RunningStudio) -> None:
    before = studio.stored_files()
    large = bytes(studio.stack.settings.max_upload_bytes + 1)
    problem_in(studio.client.post("/api/assets", content=large), 413, "upload_too_large")
    assert studio.stored_files() == before
    largest = secrets.token_bytes(studio.stack.settings.max_upload_bytes)
    assert studio.client.post("/api/assets", content=largest).status_code == 201


def test_a_client_that_leaves_in_the_middle_leaves_nothing(studio: RunningStudio) -> None:
    before = studio.stored_files()

    def half() -> object:
        yield b"the first half"
        raise ConnectionError

    with pytest.raises(ConnectionError), httpx.Client(base_url=studio.stack.api_url) as client:
        client.post("/api/assets", content=half())
    eventually(lambda: studio.stored_files() == before)
