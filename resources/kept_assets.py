"""What a run has stored so far, and what of it goes when an op does not come to its end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class KeptAssets:
    """The assets of one run, by id; blocks may be nested, as an item's in its op's.

    Equal bytes that a run stores twice are one asset, so a block that fails may have stored what
    an earlier one made: that stays.
    """

    _made: list[str] = field(default_factory=list)
    _needed: set[str] = field(default_factory=set)
    _depth: int = 0

    def add(self, asset_id: str) -> None:
        """Note what was stored."""
        self._made.append(asset_id)

    def need(self, asset_id: str) -> None:
        """Note what the run was given or has taken over."""
        self._needed.add(asset_id)

    @contextmanager
    def all_or_nothing(self, delete: Callable[[str], None]) -> Iterator[None]:
        """Have what the block stored deleted if it does not come to its end."""
        before, self._depth = len(self._made), self._depth + 1
        try:
            yield
        except BaseException:
            made, self._made = self._made[before:], self._made[:before]
            for asset_id in dict.fromkeys(made):
                if asset_id not in self._needed and asset_id not in self._made:
                    delete(asset_id)
            raise
        finally:
            self._depth -= 1
            if not self._depth:
                self._needed.update(self._made)
                self._made = []
