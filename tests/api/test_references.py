"""Media references, brought into a real store."""

import asyncio
import base64
import dataclasses
from collections.abc import Mapping

import pytest
from twelfth_operation.file_copy import OPERATION

from api.callers import LOCAL
from api.errors import InvalidRequest
from api.fetch_policy import FetchPolicy
from api.intake import UNKNOWN_MEDIA_TYPE, Intake
from api.references import ReferenceResolver, require_kind
from resources.artifact import Artifact
from resources.artifacts import ArtifactStore
from studio_pipelines.errors import StudioError, UnsupportedMedia, UnusableMedia
from studio_pipelines.media.sniff import Media

LIMIT = 1000


def resolve(
    store: ArtifactStore, inputs: Mapping[str, str | list[str]]
) -> dict[str, str | list[str]]:
    """Resolve the inputs of one request, which keeps its files only if all goes well."""
    resolver = ReferenceResolver(store, FetchPolicy(max_bytes=LIMIT), LIMIT)
    with Intake(store, LIMIT, LOCAL) as intake:
        return asyncio.run(resolver.resolve_all(OPERATION.accepts, inputs, intake))


def data_uri(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def stored_files(store: ArtifactStore) -> list[str]:
    fs, root = store._layout.fs, store._layout.root
    return fs.find(root)


def test_a_stored_asset_is_used_as_it_is(artifacts: ArtifactStore, pixel_png: bytes) -> None:
    kept = artifacts.get(str(resolve(artifacts, {"image": data_uri(pixel_png)})["image"]))
    assert (kept.media_type, kept.bytes) == ("image/png", len(pixel_png))
    assert resolve(artifacts, {"image": f"asset:{kept.id}"}) == {"image": kept.id}


def test_each_reference_of_a_list_is_resolved_in_its_place(
    folder_store: ArtifactStore, pixel_png: bytes
) -> None:
    kept = resolve(folder_store, {"image": [data_uri(pixel_png), data_uri(pixel_png)]})["image"]
    first, second = kept
    assert first != second
    assert resolve(folder_store, {"image": [f"asset:{second}"]}) == {"image": [second]}


def test_a_list_with_one_bad_reference_is_refused_whole(
    folder_store: ArtifactStore, pixel_png: bytes
) -> None:
    with pytest.raises(UnsupportedMedia) as caught:
        resolve(folder_store, {"image": [data_uri(pixel_png), data_uri(b"only words")]})
    assert caught.value.field == "image.1"
    assert stored_files(folder_store) == []


def test_the_kind_is_told_from_the_bytes_and_not_from_the_name(folder_store: ArtifactStore) -> None:
    with pytest.raises(UnsupportedMedia, match="no known kind"):
        resolve(folder_store, {"image": data_uri(b"only words")})
    assert stored_files(folder_store) == []


@pytest.mark.parametrize(
    ("reference", "kind"),
    [
        ("asset:ast_0", InvalidRequest),
        ("asset:../x", InvalidRequest),
        ("ast_0", InvalidRequest),
        ("/etc/passwd", InvalidRequest),
        ("file:///etc/passwd", InvalidRequest),
        ("ftp://example.org/a.png", InvalidRequest),
        ("", InvalidRequest),
        ("data:image/png;base64,!", StudioError),
        ("data:image/png;base64,", UnusableMedia),
        (data_uri(bytes(LIMIT + 1)), StudioError),
        ("http://127.0.0.1/a.png", StudioError),
        ("HTTP://169.254.169.254/latest", StudioError),
        ("https://[::1]/a.png", StudioError),
    ],
)
def test_a_reference_that_cannot_be_used_names_its_field_and_leaves_nothing(
    folder_store: ArtifactStore, reference: str, kind: type[StudioError]
) -> None:
    with pytest.raises(kind) as caught:
        resolve(folder_store, {"image": reference})
    assert caught.value.field == "image"
    assert 400 <= caught.value.status < 500
    assert len(caught.value.message) < 250
    assert stored_files(folder_store) == []


@pytest.mark.parametrize(
    ("media_type", "kinds", "error"),
    [
        ("image/png", (Media.IMAGE,), None),
        ("image/png", (Media.AUDIO, Media.IMAGE), None),
        ("image/png", (Media.AUDIO,), UnsupportedMedia),
        ("audio/wav", (Media.IMAGE,), UnsupportedMedia),
        (UNKNOWN_MEDIA_TYPE, (Media.IMAGE,), UnsupportedMedia),
    ],
)
def test_a_file_of_another_kind_is_refused(
    media_type: str, kinds: tuple[Media, ...], error: type[StudioError] | None
) -> None:
    artifact = Artifact("ast_1", "0", media_type, 10, "now")
    if error is None:
        require_kind(artifact, kinds, "image")
        return
    with pytest.raises(error, match=" or ".join(kind.value for kind in kinds)):
        require_kind(artifact, kinds, "image")
    with pytest.raises(UnusableMedia, match="empty"):
        require_kind(dataclasses.replace(artifact, bytes=0), kinds, "image")
