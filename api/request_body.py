"""A request's body, JSON or form, as one flat object with its files already stored."""

import asyncio
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from fastapi import Request
from pydantic import BaseModel

from api.errors import BadJson, InvalidRequest, UploadTooLarge
from api.intake import Intake
from api.multipart import FORM, Part, read_form
from resources.artifact_writer import ArtifactWriter

MAX_JSON_BYTES = 64 << 20
MAX_JSON_VALUES = 200_000
MAX_JSON_DEPTH = 32


async def read_body(
    request: Request, intake: Intake, model: type[BaseModel] | None = None
) -> dict[str, Any]:
    """Read the body; a file in a form becomes an ``asset:`` reference under its part's name.

    Several files of one name become a list where the field takes one.

    Args:
        request: Whose body.
        intake: Keeps the files.
        model: Says what the fields are, so that a form's text is read as JSON only where it is
            not to be text.

    Raises:
        BadJson: The body is not a JSON object, is too deep or of too many values, or is not a
            sound form.
        InvalidRequest: A form has both a ``params`` part and single fields, or a field twice.
        UploadTooLarge: A file or the JSON is over its limit.
    """
    content_type = request.headers.get("content-type", "")
    if content_type.startswith(FORM):
        return await _read_multipart(request, content_type, intake, model)
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
    _require_few_values(text, what)
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise _too_deep(what) from error
    except ValueError as error:
        raise BadJson(f"{what} is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise BadJson(f"{what} must be a JSON object.")
    if _is_deeper(value, MAX_JSON_DEPTH):
        raise _too_deep(what)
    return value


def _require_few_values(text: bytes | str, what: str) -> None:
    """Refuse, before it is parsed, what would take twenty times its size as objects.

    A file in the body is one long string; commas within strings are counted too, which are few.
    """
    marks = (b",", b"[", b"{") if isinstance(text, bytes) else (",", "[", "{")
    if sum(text.count(mark) for mark in marks) > MAX_JSON_VALUES:  # pyright: ignore[reportArgumentType]
        raise BadJson(f"{what} has more than {MAX_JSON_VALUES:,} values.")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _too_deep(what: str) -> BadJson:
    return BadJson(f"{what} is nested more than {MAX_JSON_DEPTH} deep.")


def _is_deeper(value: Any, depth: int) -> bool:
    """Tell whether lists and objects are nested more deeply, without going down any deeper."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return depth == 0 or any(_is_deeper(one, depth - 1) for one in inner)


async def _read_multipart(
    request: Request, content_type: str, intake: Intake, model: type[BaseModel] | None
) -> dict[str, Any]:
    types = _types_by_field(model) if model else {}
    files: dict[str, list[str]] = {}
    writers: dict[str, ArtifactWriter] = {}

    async def on_file(part: Part, data: bytes) -> None:
        if part.name in files and "array" not in types.get(part.name, set()):
            raise InvalidRequest(f"The form has two files named {part.name!r}.", field=part.name)
        writer = writers.get(part.name) or intake.new_writer()
        writers[part.name] = writer
        await asyncio.to_thread(intake.write, writer, data, part.name)
        if part.complete:
            kept = await asyncio.to_thread(intake.keep, writer, part.filename)
            files.setdefault(part.name, []).append(f"asset:{kept.id}")
            del writers[part.name]

    try:
        fields = await read_form(content_type, request.stream(), on_file)
    finally:
        for writer in writers.values():
            writer.drop()
    plain = _fields_of(fields, types)
    for name in plain.keys() & files.keys():
        raise InvalidRequest(f"{name} is given as a file and as a value.", field=name)
    return {**plain, **{name: kept if len(kept) > 1 else kept[0] for name, kept in files.items()}}


def _fields_of(fields: list[tuple[str, str]], types: Mapping[str, set[str]]) -> dict[str, Any]:
    names = [name for name, _ in fields]
    if "params" in names:
        if len(names) > 1:
            raise InvalidRequest(
                "Give the parameters in the params part or in parts of their own, not in both.",
                field="params",
            )
        return _object_in(fields[0][1], "The params part")
    texts: dict[str, list[str]] = {}
    for name, text in fields:
        texts.setdefault(name, []).append(text)
    return {name: _value_of(parts, types.get(name, set())) for name, parts in texts.items()}


def _value_of(texts: list[str], types: set[str]) -> Any:
    """Return a field's value from the texts of its parts; a list may repeat the part."""
    is_text = bool(types) and types <= {"string", "null"}
    values = list(texts) if is_text else [_plain_or_json(text) for text in texts]
    is_list = types <= {"array", "null"} and "array" in types
    if len(values) > 1 or (is_list and not isinstance(values[0], list)):
        return values
    return values[0]


@cache
def _types_by_field(model: type[BaseModel]) -> dict[str, set[str]]:
    """Return the JSON types that each field takes, those of a field's own as ``field.its``."""
    schema = model.model_json_schema(by_alias=True)
    models = schema.get("$defs", {})
    types: dict[str, set[str]] = {}
    for name, one in schema["properties"].items():
        types[name] = _types_in(one)
        inner = models.get(one.get("$ref", "").rpartition("/")[2], {})
        its_own = inner.get("properties", {})
        types |= {f"{name}.{its}": _types_in(what) for its, what in its_own.items()}
    return types


def _types_in(schema: Mapping[str, Any]) -> set[str]:
    return {str(choice.get("type")) for choice in _choices(schema)}


def _choices(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what a schema admits, the choices within choices too."""
    listed = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    return [one for choice in listed for one in _choices(choice)] or [schema]


def _plain_or_json(text: str) -> Any:
    """Return what the text is as JSON; text that is none stays text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
