"""What Redis keeps of webhooks: subscriptions and messages, as any build has written them.

A message may be sent for days, and a studio be updated meanwhile. So a record is read by what is
needed of it: what an earlier build did not write has a default, what a later one has added is left.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError


class UnreadableRecord(Exception):
    """A stored record is not one that this build can read; the message says why."""


@dataclass(frozen=True)
class Subscription:
    """A wish to be told of a job.

    Attributes:
        id: Names the subscription.
        url: Where messages go.
        events: Which ends, and whether progress, are told.
        base_url: Where clients reach the studio, for the URLs in messages.
        key_id: The API key that the links in messages are given to.
    """

    id: str
    url: str
    events: tuple[str, ...]
    base_url: str = ""
    key_id: str = ""

    @property
    def message_id(self) -> str:
        """Id of the message that tells of the end, the same each time that it is sent."""
        return f"msg_{self.id}"


@dataclass(frozen=True)
class Delivery:
    """A message about a job's end.

    Attributes:
        id: Id of the message.
        url: Where it goes.
        event: ``completed``, ``failed`` or ``canceled``.
        payload: Its body; URLs of assets come into it when it is sent.
        created_at_s: When it was written, in Unix time.
        status: ``pending``, ``delivered`` or ``given_up``.
        tries: How often it was tried since it was written, or asked for anew.
        next_try_at_s: When it is tried next, or None.
        attempts: Each try as ``{at, status, error, tookMs}``, in order.
        base_url: Where its receiver reaches the studio.
        key_id: The API key that its links are given to.
    """

    id: str
    url: str
    event: str
    payload: str
    created_at_s: float = 0.0
    status: str = "pending"
    tries: int = 0
    next_try_at_s: float | None = None
    attempts: tuple[Mapping[str, Any], ...] = ()
    base_url: str = ""
    key_id: str = ""


def new_subscription_id() -> str:
    """Return an id that nobody has."""
    return secrets.token_hex(12)


Record = TypeVar("Record", Subscription, Delivery)


def read_record(text: str, kind: type[Record]) -> Record:
    """Return a record as it is stored.

    Raises:
        UnreadableRecord: It is no JSON object, or lacks what there is no default for.
    """
    try:
        return _reader(kind).validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise UnreadableRecord(f"{place}: {first['msg']}") from error


@cache
def _reader(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
