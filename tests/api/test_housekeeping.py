"""What the service clears by itself."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from api.housekeeping import keep_house
from resources.artifacts import ArtifactStore

DEAD, ALIVE = (f"{word}00-0000-4000-8000-000000000000" for word in ("deadde", "c0ffee"))


def keep_house_for(seconds: float, store: ArtifactStore) -> None:
    services: Any = SimpleNamespace(artifacts=store, jobs=SimpleNamespace(goes_on=ALIVE.__eq__))
    with suppress(TimeoutError):
        asyncio.run(asyncio.wait_for(keep_house(services), seconds))


def test_old_leftovers_go_and_what_somebody_may_need_stays() -> None:
    store = ArtifactStore(url="memory://housekeeping")
    fs, incoming = store._layout.fs, store._layout.folder("incoming")
    names = ("upload", f"run-{DEAD}-x", f"run-{ALIVE}-x", "fresh")
    for name in names:
        fs.pipe_file(f"{incoming}/{name}", b"half")
        if name != "fresh":
            fs.store[f"{incoming}/{name}"].modified = datetime(2020, 1, 1, tzinfo=UTC)
    keep_house_for(0.5, store)
    left = {path.rsplit("/", 1)[-1] for path in fs.ls(incoming, detail=False)}
    assert left == {f"run-{ALIVE}-x", "fresh"}


def test_a_store_that_is_away_does_not_end_it(tmp_path: Path) -> None:
    store = ArtifactStore(url=(tmp_path / "store").as_uri())
    assert store._layout.exists()
    (tmp_path / "store").rename(tmp_path / "elsewhere")
    keep_house_for(0.3, store)
