"""``Idempotency-Key``: a request that is sent again comes to the same job.

The header is that of the IETF draft (draft-ietf-httpapi-idempotency-key-header), taken as it is.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import Header

from api.errors import InvalidRequest
from resources.artifact import Artifact
from resources.run_tags import LOCAL_OWNER
from resources.submission_claims import SubmissionKey

LONGEST_KEY = 255
HEADER = "Idempotency-Key"

KeyHeader = Annotated[
    str | None,
    Header(
        alias=HEADER,
        description="The same key with the same request comes to the same job, for 24 hours; with "
        "another request it is refused (409). At most 255 visible ASCII characters.",
    ),
]


def submission_key(
    key: str,
    path: str,
    body: Mapping[str, Any],
    files: Sequence[Artifact],
    owner: str = LOCAL_OWNER,
) -> SubmissionKey:
    """Return the key of a request with the request's fingerprint.

    Args:
        key: The header.
        path: Path of the route.
        body: The request's fields; a file of a form is an asset that was made for it.
        files: Those assets: they count by content, as each sending has others.
        owner: Whose request it is.

    Raises:
        InvalidRequest: The header is no key.
    """
    if not 0 < len(key) <= LONGEST_KEY or not (key.isascii() and key.isprintable()):
        raise InvalidRequest(
            f"{HEADER}: {len(key)} characters that are no key.",
            field=HEADER,
            hint=f"Send 1 to {LONGEST_KEY} visible ASCII characters, such as a UUID.",
        )
    content = {f"asset:{file.id}": f"sha256:{file.sha256}" for file in files}
    text = json.dumps([path, _with_contents(body, content)], sort_keys=True)
    return SubmissionKey(key, hashlib.sha256(text.encode()).hexdigest(), owner)


def _with_contents(part: Any, content: Mapping[str, str]) -> Any:
    if isinstance(part, str):
        return content.get(part, part)
    if isinstance(part, list):
        return [_with_contents(one, content) for one in part]
    if isinstance(part, dict):
        return {name: _with_contents(one, content) for name, one in part.items()}
    return part
