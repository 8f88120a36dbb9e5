"""What can be wrong with a request or its media, as types that say it to a person.

Each class fixes the HTTP status and the machine-readable code that the answer carries
(``docs/errors.md``); each instance says what was wrong, with what value, and what to do. They are
raised where the fault is found and become a problem document in one place.
"""

from typing import Any, ClassVar


class StudioError(Exception):
    """A fault that has a plain explanation for the person who made the request.

    A type's docstring says what its faults are, ``advice`` what to do:
    the error catalogue is made of both.

    Attributes:
        status: HTTP status of the synchronous answer.
        code: Stable, machine-readable name of the fault.
        advice: What to do about faults of this type.
        is_of_one_item: Whether, of a list, the other items may do all the same.
        message: What was wrong, with the value that was wrong.
        field: The request field at fault, in the camelCase of the contract, or None.
        hint: What to do about it, or None.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "operation_failed"
    advice: ClassVar[str] = ""
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
    advice = "Open the file in another program and export it again."


class UnsupportedMedia(StudioError):
    """The file is not of a kind that the field accepts."""

    status = 415
    code = "unsupported_media"
    advice = "Its content counts, not its name. Convert it."


class MediaTooLarge(StudioError):
    """The file asks for more pixels, seconds, channels, frames, bytes or time than is admitted."""

    status = 422
    code = "media_limit_exceeded"
    advice = "Send a smaller one; docs/limits.md has the limits, and how to change them."


class InvalidParameter(StudioError):
    """A parameter's value cannot be used, alone or together with the others."""

    status = 422
    code = "invalid_parameter"
    advice = "Change the named field."


class UnusableModel(StudioError):
    """A model's files are there, and are not what its engine can load."""

    status = 500
    code = "unusable_model"
    advice = (
        "The message says which. Whoever runs the studio can check the files with `studio "
        "models verify`."
    )


class OperationFailed(StudioError):
    """The operation failed in a way that it has no plain words for."""

    advice = (
        "The run's log in the Dagster UI has the cause: its id is the `jobId` with the dashes put "
        "back."
    )


class DeadlineExceeded(StudioError):
    """The job ran for longer than its deadline allows."""

    code = "deadline_exceeded"
    advice = "Give it longer with `timeoutSeconds`, or a smaller input."
    is_of_one_item = False


class WorkerLost(StudioError):
    """The process that ran the job died, and again each time that another one took it up."""

    code = "worker_lost"
    advice = (
        "It was given up after two resumptions. Most often the machine ran out of memory: send a "
        "smaller input, and look into the worker's log in the data folder."
    )
    is_of_one_item = False


def problem_of(error: StudioError) -> dict[str, Any]:
    """Return the parts of a fault that a job's record keeps."""
    return {
        "status": error.status,
        "code": error.code,
        "message": error.message,
        "field": error.field,
        "hint": error.hint,
    }
