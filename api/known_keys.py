"""The API keys as this process knows them: a revoked one is known to be so within two seconds."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from resources.api_keys import ApiKey, KeyRing, digest_of

FRESH_S = 2.0
MOST_KNOWN = 1024


class KnownKeys:
    """Recognises keys without asking the database each time, also those that are none."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._known: OrderedDict[str, tuple[float, ApiKey | None]] = OrderedDict()
        self._changing = threading.Lock()

    def recognise(self, secret: str) -> ApiKey | None:
        """Return the key that a secret is, valid or not; None where it is none.

        Raises:
            DatabaseUnavailable: It has to be looked up, and the database does not answer.
        """
        return self._key(digest_of(secret), lambda: self._ring.recognise(secret))

    def of_id(self, key_id: str) -> ApiKey | None:
        """Return the key of an id, valid or not; None where there is none.

        Raises:
            DatabaseUnavailable: It has to be looked up, and the database does not answer.
        """
        return self._key(key_id, lambda: self._ring.of_id(key_id))

    def _key(self, name: str, look: Callable[[], ApiKey | None]) -> ApiKey | None:
        now_s = time.monotonic()
        with self._changing:
            known = self._known.get(name)
        if known is not None and known[0] > now_s:
            return known[1]
        key = look()
        with self._changing:
            self._known[name] = (now_s + FRESH_S, key)
            self._known.move_to_end(name)
            if len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)
        return key
