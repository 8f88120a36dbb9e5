"""Figures are drawn, and an interrupt meanwhile is one."""

import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.transforms import BboxBase

from studio_pipelines.media.figure_png import figure_png


@pytest.fixture
def figure() -> Figure:
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([1, 3, 2])
    return figure


@pytest.fixture
def interrupts() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_figure_is_a_png(figure: Figure) -> None:
    assert figure_png(figure).startswith(b"\x89PNG")


@pytest.mark.usefixtures("interrupts")
def test_an_interrupt_while_a_box_is_asked_for_is_an_interrupt(
    figure: Figure, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_array, asked = BboxBase.__array__, []

    def struck(box: BboxBase, *arguments: Any, **named: Any) -> Any:
        if not asked:
            asked.append(box)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        return as_array(box, *arguments, **named)

    monkeypatch.setattr(BboxBase, "__array__", struck)
    with pytest.raises(KeyboardInterrupt):
        figure_png(figure)
    assert asked
