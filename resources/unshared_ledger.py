"""The ledger of a process that shares its device with nobody: every wish is granted."""

from resources.vram_ledger import Answer, Row


class UnsharedLedger:
    """Stands in for :class:`~resources.vram_ledger.Ledger` where there is no server."""

    def exchange(self, row: Row, models: str = "[]") -> Answer:  # noqa: ARG002
        """Grant what is wished for."""
        granted_mib = row.wants_mib if row.phase == "waiting" else None
        return Answer(granted_mib, since_ms=0, now_ms=0, spare_mib=0.0)

    def leave(self) -> None:
        """Do nothing: no row was kept."""

    def ask_peers_to_evict(self) -> int:
        """Return how many peers were asked: none."""
        return 0

    def next_word(self, timeout_s: float) -> None:
        """Return at once: nobody sends a word."""
