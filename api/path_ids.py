"""The parts of paths that name something, as the routes take them and the document shows them."""

from typing import Annotated

from fastapi import Path

EXAMPLE_JOB = "job_0123456789abcdef0123456789abcdef"
EXAMPLE_ASSET = "ast_0123456789abcdef01234567"
EXAMPLE_MESSAGE = "msg_0123456789abcdef01234567"

JobId = Annotated[
    str, Path(description="A job, by the `jobId` of an answer.", examples=[EXAMPLE_JOB])
]
AssetId = Annotated[
    str, Path(description="An asset, by the `id` of an answer.", examples=[EXAMPLE_ASSET])
]
MessageId = Annotated[
    str, Path(description="A webhook's message, by its `id`.", examples=[EXAMPLE_MESSAGE])
]
