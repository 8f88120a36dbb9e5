"""Media references: what a request may name as its input, brought into the asset store."""

import asyncio
from asyncio import Task
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

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

FETCHES_AT_ONCE = 4
Result = TypeVar("Result")


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

        Up to four URLs are fetched at a time; the first fault ends the others.

        Args:
            accepts: The kinds of media that each input may be.
            inputs: The references by input name.
            intake: Keeps what the request brings.

        Raises:
            UnsupportedMedia: A file is not of a kind that its field accepts.
            UnusableMedia: A file is empty.
            InvalidRequest: A reference is of no known form, or names no asset of the caller's.
        """
        a_few = asyncio.Semaphore(FETCHES_AT_ONCE)

        async def checked(reference: str, name: str, field: str) -> str:
            return await self._checked(reference, accepts[name], field, intake, a_few)

        tasks: dict[str, Task[str] | list[Task[str]]] = {}
        try:
            async with asyncio.TaskGroup() as group:
                for name, given in inputs.items():
                    if isinstance(given, str):
                        tasks[name] = group.create_task(checked(given, name, name))
                    else:
                        tasks[name] = [
                            group.create_task(checked(one, name, f"{name}.{place}"))
                            for place, one in enumerate(given)
                        ]
        except BaseExceptionGroup as faults:  # the others were stopped by the first
            raise faults.exceptions[0] from None
        return {
            name: [one.result() for one in each] if isinstance(each, list) else each.result()
            for name, each in tasks.items()
        }

    async def _checked(
        self,
        reference: str,
        kinds: tuple[Media, ...],
        field: str,
        intake: Intake,
        a_few: asyncio.Semaphore,
    ) -> str:
        artifact = await self._resolve(reference, field, intake, a_few)
        require_kind(artifact, kinds, field)
        return artifact.id

    async def _resolve(
        self, reference: str, field: str, intake: Intake, a_few: asyncio.Semaphore
    ) -> Artifact:
        if reference.startswith("asset:"):
            return await asyncio.to_thread(
                self._stored, reference.removeprefix("asset:"), field, intake.caller
            )
        if is_data_uri(reference):
            inline = read_data_uri(reference, max_bytes=self.max_upload_bytes, field=field)
            return await _to_its_end(_keep_bytes, inline.data, intake)
        if reference.lower().startswith(("http://", "https://")):
            async with a_few:
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
                await _to_its_end(writer.write, chunk)

            await fetch(url, policy=self.policy, sink=sink, field=field)
            return await _to_its_end(intake.keep, writer)


async def _to_its_end(work: Callable[..., Result], *arguments: Any) -> Result:
    """Do work in a thread, and wait for its end also when the caller is stopped.

    What it writes or keeps is only then there to be dropped with the rest of the request.
    """
    doing = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        await asyncio.wait([doing])
        raise


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
