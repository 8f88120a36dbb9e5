"""``/api/assets``: store, describe, download and delete files."""

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import FileResponse, StreamingResponse

from api.auditing import note
from api.callers import Caller, CallerDep
from api.errors import InvalidRequest
from api.intake import Intake
from api.presentation import present_asset
from api.request_body import read_body
from api.state import Services, ServicesDep, links_for
from resources.artifact import Artifact
from studio_pipelines.errors import UnusableMedia

router = APIRouter(prefix="/api/assets", tags=["assets"])
WRITE_BLOCK_BYTES = 1 << 20


@router.post("", status_code=201)
async def store_asset(request: Request, services: ServicesDep, caller: CallerDep) -> dict[str, Any]:
    """Store a file, sent as the raw body or as the one file of a form."""
    is_form = request.headers.get("content-type", "").startswith("multipart/form-data")
    receive = _from_form if is_form else _from_body
    with Intake(services.artifacts, services.settings.max_upload_bytes, caller) as intake:
        artifact = await receive(request, intake)
        if artifact.bytes == 0:
            raise UnusableMedia("The file is empty (0 bytes).", field="file")
    await note(request, "asset.stored", artifact.id, bytes=artifact.bytes)
    return {"success": True, **present_asset(artifact.describe(), links_for(request))}


async def _from_form(request: Request, intake: Intake) -> Artifact:
    fields = await read_body(request, intake)
    if len(intake.kept) != 1 or len(fields) != 1:
        raise InvalidRequest("The form needs to have one part, and that a file.", field="file")
    return intake.kept[0]


async def _from_body(request: Request, intake: Intake) -> Artifact:
    with intake.new_writer() as writer:
        block = bytearray()
        async for chunk in request.stream():
            block += chunk
            if len(block) >= WRITE_BLOCK_BYTES:
                await asyncio.to_thread(intake.write, writer, bytes(block))
                block.clear()
        await asyncio.to_thread(intake.write, writer, bytes(block))
        return await asyncio.to_thread(intake.keep, writer)


@router.get("/{asset_id}/metadata")
async def describe_asset(
    asset_id: str, request: Request, services: ServicesDep, caller: CallerDep
) -> dict[str, Any]:
    """Return an asset's record."""
    artifact = await _seen(services, caller, asset_id)
    return present_asset(artifact.describe(), links_for(request))


async def _seen(services: Services, caller: Caller, asset_id: str) -> Artifact:
    artifact = await asyncio.to_thread(services.artifacts.get, asset_id)
    caller.require_asset(artifact)
    return artifact


@router.head("/{asset_id}", include_in_schema=False)
@router.get("/{asset_id}")
async def download_asset(
    asset_id: str,
    services: ServicesDep,
    caller: CallerDep,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Return an asset's bytes; ``ETag`` and ``Range`` work as in RFC 9110."""
    artifact = await _seen(services, caller, asset_id)
    headers = {
        "ETag": f'"{artifact.sha256}"',
        "Cache-Control": "private, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox",
    }
    if if_none_match and (if_none_match == "*" or f'"{artifact.sha256}"' in if_none_match):
        return Response(status_code=304, headers=headers)
    path = services.artifacts.stored_path(artifact)
    if path is None:
        headers["Content-Length"] = str(artifact.bytes)
        return StreamingResponse(
            _blocks(services, artifact), media_type=artifact.media_type, headers=headers
        )
    return FileResponse(
        path,
        media_type=artifact.media_type,
        filename=artifact.filename or asset_id,
        content_disposition_type="inline",
        headers=headers,
    )


def _blocks(services: Services, artifact: Artifact) -> Iterator[bytes]:
    with services.artifacts.open(artifact) as file:
        while block := file.read(WRITE_BLOCK_BYTES):
            yield block


@router.delete("/{asset_id}")
async def delete_asset(
    asset_id: str, request: Request, services: ServicesDep, caller: CallerDep
) -> dict[str, Any]:
    """Delete an asset."""
    await _seen(services, caller, asset_id)
    await asyncio.to_thread(services.artifacts.delete, asset_id)
    await note(request, "asset.deleted", asset_id)
    return {"success": True, "id": asset_id}
