"""The messages that the studio posts, as the OpenAPI document shows them."""

from typing import Any

from pydantic import BaseModel

from api import example_answers
from api.documented_answers import JSON, reference
from api.path_ids import EXAMPLE_MESSAGE
from studio_pipelines.contract.events import JobEndedMessage, JobProgressMessage

_HEADERS = {
    "webhook-id": ("The message, the same each time that it is sent.", EXAMPLE_MESSAGE),
    "webhook-timestamp": ("When it was sent, in Unix time.", "1767268801"),
    "webhook-signature": (
        "`v1,` and the HMAC-SHA256 of id, timestamp and body.",
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ),
}


def _message(
    operation_id: str, summary: str, model: type[BaseModel], example: dict[str, Any]
) -> dict[str, Any]:
    return {
        "post": {
            "operationId": operation_id,
            "summary": summary,
            "description": "Signed as [Standard Webhooks](https://www.standardwebhooks.com) lays "
            "down: verify it with the library of your language.",
            "tags": ["jobs"],
            "parameters": [
                {
                    "name": name,
                    "in": "header",
                    "required": True,
                    "description": description,
                    "schema": {"type": "string"},
                    "example": value,
                }
                for name, (description, value) in _HEADERS.items()
            ],
            "requestBody": {
                "required": True,
                "content": {
                    JSON: {"schema": reference(model), "examples": {"message": {"value": example}}}
                },
            },
            "responses": {
                "2XX": {"description": "The message is taken."},
                "410": {"description": "It is not sent again."},
                "default": {"description": "It is sent again, over 24 hours."},
            },
        }
    }


WEBHOOKS = {
    "job.ended": _message(
        "onJobEnded", "A job has ended", JobEndedMessage, example_answers.ENDED_MESSAGE
    ),
    "job.progress": _message(
        "onJobProgress",
        "A job goes on; sent once, at most every 2 s",
        JobProgressMessage,
        example_answers.PROGRESS_MESSAGE,
    ),
}
