"""What can be wrong with a request or its media, as types that say it to a person.

Each class fixes the HTTP status and the machine-readable code that the answer carries
(``docs/errors.md``); each instance says what was wrong, with what value, and what to do. They are
raised where the fault is found and become a problem document in one place.
"""

from typing import Any, ClassVar


class StudioError(Exception):
    """A fault that has a plain explanation for the person who made the request.

    Attributes:
        status: HTTP status of the synchronous answer.
        code: Stable, machine-readable name of the fault.
        is_of_one_item: Whether, of a list, the other items may do all the same.
        message: What was wrong, with the value that was wrong.
        field: The request field at fault, in the camelCase of the contract, or None.
        hint: What to do about it, or None.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "operation_failed"
    is_of_one_item: ClassVar[bool] = True

    def __init__(self, message: str, *, field: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.hint = hint


class UnusableMedia(StudioError):
    """The file is of an accepted kind, and broken or unfit: truncated, empty, silent."""

    status = 422
    code = "unusable_media"


class UnsupportedMedia(StudioError):
    """The file is not of a kind that the field accepts."""

    status = 415
    code = "unsupported_media"


class MediaTooLarge(StudioError):
    """The file asks for more pixels, seconds, channels or frames than the limits admit."""

    status = 422
    code = "media_limit_exceeded"


class InvalidParameter(StudioError):
    """A parameter's value cannot be used, alone or together with the others."""

    status = 422
    code = "invalid_parameter"


class UnusableModel(StudioError):
    """A model's files are there, and are not what its engine can load."""

    status = 500
    code = "unusable_model"


def problem_of(error: StudioError) -> dict[str, Any]:
    """Return the parts of a fault that a job's record keeps."""
    return {
        "status": error.status,
        "code": error.code,
        "message": error.message,
        "field": error.field,
        "hint": error.hint,
    }
