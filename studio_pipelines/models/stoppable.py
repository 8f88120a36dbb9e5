"""Torch networks that end at their next layer when they are told to."""

from typing import Any


class Stopped(RuntimeError):
    """The network was told to stop, while it computed."""


class Stoppable:
    """Keeps watch over a network's layers."""

    def __init__(self, network: Any) -> None:
        """Watch all layers of a network."""
        self._is_stopped = False
        for layer in network.modules():
            layer.register_forward_pre_hook(self._go_on)

    def begin(self) -> None:
        """Let the next computation run."""
        self._is_stopped = False

    def stop(self) -> None:
        """Make what runs in another thread end before its next layer, with :class:`Stopped`."""
        self._is_stopped = True

    def _go_on(self, *_: object) -> None:
        if self._is_stopped:
            raise Stopped
