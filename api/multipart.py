"""Reading ``multipart/form-data`` as it arrives: files go straight to a sink, never to memory."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from api.errors import BadJson, InvalidRequest, UploadTooLarge

FORM = "multipart/form-data"
MAX_FIELD_BYTES = 1 << 20
MAX_FORM_TEXT_BYTES = 8 << 20
MAX_PARTS = 256


@dataclass
class Part:
    """One part of a form.

    Attributes:
        name: Field name.
        filename: File name that the client gave, or None for a plain field.
        data: The bytes that have come and have not been taken.
        complete: Whether the part has ended.
    """

    name: str
    filename: str | None
    data: bytearray = field(default_factory=bytearray)
    complete: bool = False


class _Reader:
    """Collects what python-multipart's callbacks say into parts."""

    def __init__(self, boundary: bytes) -> None:
        self.parts: list[Part] = []
        self.ended = False
        self._part_count = 0
        self._header_name = b""
        self._header_value = b""
        self._disposition = b""
        self.parser = MultipartParser(
            boundary,
            {
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
        )

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value
        self._header_name = self._header_value = b""

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        filename = options.get(b"filename")
        name = options.get(b"name", b"").decode(errors="replace")
        self.parts.append(Part(name, filename.decode(errors="replace") if filename else None))
        self._disposition = b""
        self._part_count += 1
        if self._part_count > MAX_PARTS:
            raise InvalidRequest(f"The form has more than {MAX_PARTS} parts.")

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].data += data[start:end]

    def _on_part_end(self) -> None:
        self.parts[-1].complete = True

    def _on_end(self) -> None:
        self.ended = True


FileSink = Callable[[Part, bytes], Awaitable[None]]


async def read_form(
    content_type: str, body: AsyncIterator[bytes], on_file: FileSink
) -> list[tuple[str, str]]:
    """Read a form; return its plain fields in order and hand each file's bytes to ``on_file``.

    Raises:
        BadJson: The body is not a well-formed form.
        UploadTooLarge: A plain field is over a megabyte, or all together are over eight.
        InvalidRequest: There are too many parts.
    """
    _, options = parse_options_header(content_type)
    reader = _Reader(_boundary(options))
    fields: list[tuple[str, str]] = []
    try:
        async for chunk in body:
            reader.parser.write(chunk)
            await _drain(reader, fields, on_file)
        reader.parser.finalize()
    except FormParserError as error:
        raise BadJson(f"The multipart form is broken: {error}.") from error
    if not reader.ended:
        raise BadJson("The multipart form ends before its last boundary.")
    return fields


def _boundary(options: Mapping[bytes, bytes]) -> bytes:
    boundary = options.get(b"boundary")
    if not boundary:
        raise BadJson("The multipart form names no boundary.")
    return boundary


async def _drain(reader: _Reader, fields: list[tuple[str, str]], on_file: FileSink) -> None:
    """Hand over what has come; keep the unfinished last part."""
    for part in reader.parts:
        if part.filename is not None:
            await on_file(part, bytes(part.data))
            part.data.clear()
        elif len(part.data) > MAX_FIELD_BYTES:
            raise UploadTooLarge(
                f"The form field is over {MAX_FIELD_BYTES:,} bytes.", field=part.name
            )
        elif part.complete:
            fields.append((part.name, part.data.decode(errors="replace")))
            _require_little_text(fields)
    reader.parts[:] = [part for part in reader.parts if not part.complete]


def _require_little_text(fields: list[tuple[str, str]]) -> None:
    if sum(len(text) for _, text in fields) > MAX_FORM_TEXT_BYTES:
        raise UploadTooLarge(
            f"The form's plain fields are over {MAX_FORM_TEXT_BYTES:,} bytes together.",
            hint="Send files in parts with a file name.",
        )
