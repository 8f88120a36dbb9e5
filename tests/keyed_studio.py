"""A studio that asks for API keys, and clients of it that have one each."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
from running_studio import RunningStudio, running_studio, settings_for
from sqlalchemy.engine import Engine

from resources.api_keys import ApiKey, KeyRing, Limits
from studio_pipelines.access_database import open_access_database

PROCESSES = ("broker", "database", "worker-test", "api")


@dataclass
class KeyedStudio:
    """A studio with keys on, and what makes keys for it."""

    studio: RunningStudio
    engine: Engine
    _clients: list[httpx.Client] = field(default_factory=list)
    _made: int = 0

    @property
    def ring(self) -> KeyRing:
        return KeyRing(self.engine)

    @property
    def nobody(self) -> httpx.Client:
        """A client without a key."""
        return self.studio.client

    def with_key(
        self, *scopes: str, limits: Limits | None = None, **more: Any
    ) -> tuple[RunningStudio, ApiKey]:
        """Make a key, and return the studio as whoever has it sees it."""
        self._made += 1
        key, secret = self.ring.create(f"key {self._made}", scopes or ("*",), limits, **more)
        headers = {"Cache-Control": "no-cache", "Authorization": f"Bearer {secret}"}
        client = httpx.Client(base_url=self.studio.stack.api_url, timeout=30, headers=headers)
        self._clients.append(client)
        return replace(self.studio, client=client), key

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self.engine.dispose()


@contextmanager
def keyed_studio(folder: Path, **more: object) -> Iterator[KeyedStudio]:
    """Run a studio that asks for keys, on loopback."""
    settings = settings_for(folder, require_keys=True, **more)
    with running_studio(settings, PROCESSES) as running:
        keyed = KeyedStudio(running, open_access_database(running.stack.settings))
        try:
            yield keyed
        finally:
            keyed.close()
