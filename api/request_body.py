"""A request's body, JSON or form, as one flat object with its files already stored."""

import asyncio
import json
from typing import Any

from fastapi import Request

from api.errors import BadJson, InvalidRequest, UploadTooLarge
from api.intake import Intake
from api.multipart import Part, read_form
from resources.artifact_writer import ArtifactWriter

MAX_JSON_BYTES = 64 << 20


async def read_body(request: Request, intake: Intake) -> dict[str, Any]:
    """Read the body; a file in a form becomes an ``asset:`` reference under its part's name.

    Raises:
        BadJson: The body is not a JSON object or not a sound form.
        InvalidRequest: A form has both a ``params`` part and single fields, or a field twice.
        UploadTooLarge: A file or the JSON is over its limit.
    """
    content_type = request.headers.get("content-type", "")
    if content_type.startswith("multipart/form-data"):
        return await _read_multipart(request, content_type, intake)
    text = bytearray()
    async for chunk in request.stream():
        text += chunk
        if len(text) > MAX_JSON_BYTES:
            raise UploadTooLarge(
                f"The JSON body is over {MAX_JSON_BYTES:,} bytes.",
                hint="Upload large files with POST /api/assets.",
            )
    return _object_in(bytes(text), "The body")


def _object_in(text: bytes | str, what: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadJson(f"{what} is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise BadJson(f"{what} must be a JSON object.")
    return value


async def _read_multipart(request: Request, content_type: str, intake: Intake) -> dict[str, Any]:
    body: dict[str, Any] = {}
    writers: dict[str, ArtifactWriter] = {}

    async def on_file(part: Part, data: bytes) -> None:
        if part.name in body:
            raise InvalidRequest(f"The form has two files named {part.name!r}.", field=part.name)
        writer = writers.get(part.name) or intake.new_writer()
        writers[part.name] = writer
        await asyncio.to_thread(intake.write, writer, data, part.name)
        if part.complete:
            kept = await asyncio.to_thread(intake.keep, writer, part.filename)
            body[part.name] = f"asset:{kept.id}"

    try:
        fields = await read_form(content_type, request.stream(), on_file)
    finally:
        for writer in writers.values():
            writer.drop()
    plain = _fields_of(fields)
    for name in plain.keys() & body.keys():
        raise InvalidRequest(f"{name} is given as a file and as a value.", field=name)
    return {**plain, **body}


def _fields_of(fields: list[tuple[str, str]]) -> dict[str, Any]:
    names = [name for name, _ in fields]
    if "params" in names:
        if len(names) > 1:
            raise InvalidRequest(
                "Give the parameters in the params part or in parts of their own, not in both.",
                field="params",
            )
        return _object_in(fields[0][1], "The params part")
    gathered: dict[str, Any] = {}
    for name, text in fields:
        value = _plain_or_json(text)
        if name in gathered:
            earlier = gathered[name]
            gathered[name] = [*(earlier if isinstance(earlier, list) else [earlier]), value]
        else:
            gathered[name] = value
    return gathered


def _plain_or_json(text: str) -> Any:
    """Return what the text is as JSON; text that is none stays text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
