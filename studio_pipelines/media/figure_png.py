"""A figure of matplotlib's as a PNG."""

import io
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg

from studio_pipelines.media.interruptible import run_interruptibly


def figure_png(figure: Any) -> bytes:
    """Draw a figure, so that an interrupt meanwhile is one.

    It is drawn in a thread of its own, for interrupts strike the main one: what is raised while
    matplotlib's C++ asks Python for a box it takes for a bad box, and a cancel came out as
    ``ValueError: Invalid bounding box``.
    """
    file = io.BytesIO()
    canvas: Any = FigureCanvasAgg(figure)
    run_interruptibly(lambda: canvas.print_png(file), stop=lambda: None)
    return file.getvalue()
