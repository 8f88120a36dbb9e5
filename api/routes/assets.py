"""``/api/assets``: store, describe, download and delete files."""

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import FileResponse, StreamingResponse

from api.errors import InvalidRequest
from api.presentation import present_asset
from api.references import keep_sniffed, require_room
from api.request_body import read_body
from api.state import Services, ServicesDep
from resources.artifacts import Artifact
from studio_pipelines.errors import UnusableMedia

router = APIRouter(prefix="/api/assets", tags=["assets"])
WRITE_BLOCK_BYTES = 1 << 20


@router.post("", status_code=201)
async def store_asset(request: Request, services: ServicesDep) -> dict[str, Any]:
    """Store a file, sent as the raw body or as the one file of a form."""
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        artifact = await _from_form(request, services)
    else:
        artifact = await _from_body(request, services)
    return {"success": True, **present_asset(artifact.describe(), str(request.base_url))}


async def _from_form(request: Request, services: Services) -> Artifact:
    body = await read_body(request, services.artifacts, services.settings.max_upload_bytes)
    stored = [value for value in body.values() if str(value).startswith("asset:")]
    if len(stored) != 1:
        raise InvalidRequest(f"The form has {len(stored)} files, and one is needed.", field="file")
    artifact = await asyncio.to_thread(services.artifacts.get, stored[0].removeprefix("asset:"))
    if artifact.bytes == 0:
        await asyncio.to_thread(services.artifacts.delete, artifact.id)
        raise UnusableMedia("The file is empty (0 bytes).", field="file")
    return artifact


async def _from_body(request: Request, services: Services) -> Artifact:
    with services.artifacts.new_writer() as writer:
        block = bytearray()
        async for chunk in request.stream():
            block += chunk
            if len(block) >= WRITE_BLOCK_BYTES:
                await asyncio.to_thread(writer.write, bytes(block))
                block.clear()
                require_room(writer, services.settings.max_upload_bytes)
        await asyncio.to_thread(writer.write, bytes(block))
        require_room(writer, services.settings.max_upload_bytes)
        if writer.size_bytes == 0:
            raise UnusableMedia("The body is empty (0 bytes).", field="file")
        return await asyncio.to_thread(keep_sniffed, services.artifacts, writer)


@router.get("/{asset_id}/metadata")
async def describe_asset(asset_id: str, request: Request, services: ServicesDep) -> dict[str, Any]:
    """Return an asset's record."""
    artifact = await asyncio.to_thread(services.artifacts.get, asset_id)
    return present_asset(artifact.describe(), str(request.base_url))


@router.get("/{asset_id}")
async def download_asset(
    asset_id: str,
    services: ServicesDep,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Return an asset's bytes; ``ETag`` and ``Range`` work as in RFC 9110."""
    artifact = await asyncio.to_thread(services.artifacts.get, asset_id)
    headers = {
        "ETag": f'"{artifact.sha256}"',
        "Cache-Control": "private, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox",
    }
    if if_none_match and f'"{artifact.sha256}"' in if_none_match:
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
async def delete_asset(asset_id: str, services: ServicesDep) -> dict[str, Any]:
    """Delete an asset."""
    await asyncio.to_thread(services.artifacts.delete, asset_id)
    return {"success": True, "id": asset_id}
