"""Media references: what a request may name as its input, brought into the asset store."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from api.callers import Caller
from api.data_uri import is_data_uri, read_data_uri
from api.errors import InvalidRequest
from api.fetch_policy import FetchPolicy
from api.fetching import fetch
from api.intake import UNKNOWN_MEDIA_TYPE, Intake
from resources.artifact import Artifact, ArtifactNotFound
from resources.artifacts import ArtifactStore
from studio_pipelines.errors import UnsupportedMedia, UnusableMedia
from studio_pipelines.media.sniff import Media


@dataclass(frozen=True)
class ReferenceResolver:
    """Turns references into assets of the right kind."""

    artifacts: ArtifactStore
    policy: FetchPolicy
    max_upload_bytes: int

    async def resolve_all(
        self,
        accepts: Mapping[str, tuple[Media, ...]],
        inputs: Mapping[str, str | list[str]],
        intake: Intake,
    ) -> dict[str, str | list[str]]:
        """Return the asset ids of the inputs; ``intake`` keeps those that are not stored yet.

        Args:
            accepts: The kinds of media that each input may be.
            inputs: The references by input name.
            intake: Keeps what the request brings.

        Raises:
            UnsupportedMedia: A file is not of a kind that its field accepts.
            UnusableMedia: A file is empty.
            InvalidRequest: A reference is of no known form, or names no asset of the caller's.
        """
        resolved: dict[str, str | list[str]] = {}
        for name, given in inputs.items():
            if isinstance(given, str):
                resolved[name] = await self._checked(given, accepts[name], name, intake)
            else:
                resolved[name] = [
                    await self._checked(one, accepts[name], f"{name}.{place}", intake)
                    for place, one in enumerate(given)
                ]
        return resolved

    async def _checked(
        self, reference: str, kinds: tuple[Media, ...], field: str, intake: Intake
    ) -> str:
        artifact = await self._resolve(reference, field, intake)
        require_kind(artifact, kinds, field)
        return artifact.id

    async def _resolve(self, reference: str, field: str, intake: Intake) -> Artifact:
        if reference.startswith("asset:"):
            return await asyncio.to_thread(
                self._stored, reference.removeprefix("asset:"), field, intake.caller
            )
        if is_data_uri(reference):
            inline = read_data_uri(reference, max_bytes=self.max_upload_bytes, field=field)
            return await asyncio.to_thread(_keep_bytes, inline.data, intake)
        if reference.lower().startswith(("http://", "https://")):
            return await self._fetch(reference, field, intake)
        raise InvalidRequest(
            f"{field}: {reference[:80]!r} is no media reference.",
            field=field,
            hint="Use asset:<id>, an http(s) URL or a data: URI.",
        )

    def _stored(self, asset_id: str, field: str, caller: Caller) -> Artifact:
        try:
            artifact = self.artifacts.get(asset_id)
            caller.require_asset(artifact)
        except ArtifactNotFound as error:
            raise InvalidRequest(error.message, field=field, hint=error.hint) from error
        return artifact

    async def _fetch(self, url: str, field: str, intake: Intake) -> Artifact:
        with intake.new_writer() as writer:

            async def sink(chunk: bytes) -> None:
                await asyncio.to_thread(writer.write, chunk)

            await fetch(url, policy=self.policy, sink=sink, field=field)
            return await asyncio.to_thread(intake.keep, writer)


def _keep_bytes(data: bytes, intake: Intake) -> Artifact:
    with intake.new_writer() as writer:
        writer.write(data)
        return intake.keep(writer)


def require_kind(artifact: Artifact, kinds: tuple[Media, ...], field: str) -> None:
    """Refuse, before any run is made, a file whose first bytes show another kind.

    Raises:
        UnusableMedia: The file is empty.
        UnsupportedMedia: It is of another kind.
    """
    if artifact.bytes == 0:
        raise UnusableMedia(f"{field}: the file is empty (0 bytes).", field=field)
    kind = _KIND_BY_MIME.get(artifact.media_type)
    if kind not in kinds:
        wanted = " or ".join(one.value for one in kinds)
        raise UnsupportedMedia(
            f"{field}: this file is {_what_it_is(artifact)}, and {wanted} is needed.", field=field
        )


def _what_it_is(artifact: Artifact) -> str:
    if artifact.media_type == UNKNOWN_MEDIA_TYPE:
        return "of no known kind"
    return artifact.media_type


def _kinds_by_mime() -> dict[str, Media]:
    from studio_pipelines.media import sniff as formats

    known = (value for value in vars(formats).values() if isinstance(value, formats.MediaType))
    return {media_type.mime: media_type.kind for media_type in known}


_KIND_BY_MIME = _kinds_by_mime()
