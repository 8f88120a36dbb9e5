"""Typed access to the header fields that libvips keeps with a picture."""

from typing import Any

import pyvips


def number_field(image: pyvips.Image, name: str, default: int) -> int:
    """Look up a whole number; ``default`` where the field is absent or something else."""
    value = image.get(name) if image.get_typeof(name) else default
    return value if isinstance(value, int) else default


def bytes_field(image: pyvips.Image, name: str) -> bytes | None:
    """Look up a block of bytes; None where the field is absent or something else."""
    value = image.get(name) if image.get_typeof(name) else None
    return bytes(value) if isinstance(value, bytes | bytearray | memoryview) else None


def set_bytes_field(image: pyvips.Image, name: str, value: bytes) -> None:
    """Set a block of bytes on a picture that is the caller's own copy."""
    block: Any = value  # the stubs leave bytes out
    image.set_type(pyvips.GValue.blob_type, name, block)


def set_number_field(image: pyvips.Image, name: str, value: int) -> None:
    """Set a whole number on a picture that is the caller's own copy."""
    image.set_type(pyvips.GValue.gint_type, name, value)
