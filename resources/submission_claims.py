"""Claims of submissions: which run an idempotency key stands for, and whose turn a recipe is.

A key's claim reserves a run id, once, in Redis; the run is then made with that id, and the
database takes an id only once. So two submissions under one key cannot both make a run, whatever
stops or stalls between the two steps. A turn only spares work: two runs of one recipe would be
two equal results.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import cast

import redis

KEY_KEPT_S = 24 * 3600
# Longer than a statement of the database may take, so that a turn is not lost in its middle.
TURN_TTL_S = 60.0
TURN_LOOK_S = 0.02


@dataclass(frozen=True)
class SubmissionKey:
    """An idempotency key as a request gave it.

    Attributes:
        key: The key.
        body: Fingerprint of the request that it came with.
        owner: Whose it is; two owners' equal keys have nothing to do with each other.
    """

    key: str
    body: str
    owner: str = ""

    @property
    def name(self) -> str:
        """Where its claim is kept; a key may be as long as it likes, and hold a secret."""
        digest = hashlib.sha256(json.dumps([self.owner, self.key]).encode()).hexdigest()
        return f"studio:submission:{digest}"


@dataclass(frozen=True)
class Claim:
    """What a key stands for.

    Attributes:
        run_id: The run, made or about to be.
        body: Fingerprint of the request that claimed it.
        reused: Whether the run had been made for an earlier request.
    """

    run_id: str
    body: str
    reused: bool = False


class SubmissionClaims:
    """Reads and takes claims.

    Every method raises redis.RedisError where the server does not answer.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def find(self, key: SubmissionKey) -> Claim | None:
        """Return what a key stands for, or None if it was not used in the last 24 hours."""
        text = cast(str | None, self._client.get(key.name))
        return Claim(**json.loads(text)) if text else None

    def take(self, key: SubmissionKey, run_id: str) -> Claim:
        """Return what a key stands for; if it is new, for the run of this id from now on."""
        wanted = Claim(run_id, key.body)
        text = json.dumps(asdict(wanted))
        while not self._client.set(key.name, text, nx=True, ex=KEY_KEPT_S):
            if found := self.find(key):  # else it has just expired
                return found
        return wanted

    def point(self, key: SubmissionKey, run_id: str) -> None:
        """Let a claimed key stand for an earlier request's run, for the rest of its time."""
        text = json.dumps(asdict(Claim(run_id, key.body, reused=True)))
        self._client.set(key.name, text, xx=True, keepttl=True)

    @contextmanager
    def turn(self, recipe: str) -> Iterator[None]:
        """Let one submission of a recipe at a time look for a result and begin a run."""
        lock = self._client.lock(
            f"studio:recipe:{recipe}:turn",
            timeout=TURN_TTL_S,
            sleep=TURN_LOOK_S,
            blocking_timeout=TURN_TTL_S,
            # A turn that has run out is given up already; its submission stands.
            raise_on_release_error=False,
        )
        with lock:
            yield
