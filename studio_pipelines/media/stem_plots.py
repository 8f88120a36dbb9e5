"""A picture of a stem: its waveform, and its spectrogram below."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from studio_pipelines.media.figure_png import figure_png
from studio_pipelines.media.sample_store import Sound
from studio_pipelines.media.spectrogram import LOWEST_HZ, Spectrogram, spectrogram

_SIZE_IN = (10.0, 4.6)
_DPI = 120
_INK = "#1e293b"
_GRID = "#e2e8f0"
_WAVE = "#0f766e"
_RANGE_DB = 70.0
_QUIETEST_TOP_DB = -60.0
_TICKS_HZ = (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)


def stem_picture(stem: Sound, sample_rate_hz: int, name: str) -> bytes:
    """Draw a stem as a PNG.

    Args:
        stem: At least one frame, at any length.
        sample_rate_hz: Its rate.
        name: Its name, for the title.
    """
    drawn = spectrogram(stem, sample_rate_hz)
    figure: Any = Figure(figsize=_SIZE_IN, dpi=_DPI, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.14, h_pad=0.06)
    wave, bands = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2.2))
    wave.set_title(_title(name), loc="left", color=_INK, fontsize=13, fontweight="bold", pad=10)
    _draw_wave(wave, drawn)
    _draw_bands(figure, bands, drawn)
    for axes in (wave, bands):
        axes.tick_params(colors=_INK, labelsize=9, length=0)
        axes.yaxis.label.set(color=_INK, fontsize=9)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_color(_GRID)
    return figure_png(figure)


def _draw_wave(axes: Any, drawn: Spectrogram) -> None:
    axes.fill_between(
        drawn.times_s,
        np.append(drawn.lowest, drawn.lowest[-1]),
        np.append(drawn.highest, drawn.highest[-1]),
        step="post",
        color=_WAVE,
        linewidth=0.4,
    )
    reach = max(float(drawn.highest.max()), -float(drawn.lowest.min()), 1e-4)
    axes.set_ylim(-1.08 * reach, 1.08 * reach)
    axes.set_xlim(0, drawn.times_s[-1])
    axes.yaxis.set_major_locator(MaxNLocator(3, symmetric=True))
    axes.grid(visible=True, color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_ylabel("Amplitude")


def _draw_bands(figure: Any, axes: Any, drawn: Spectrogram) -> None:
    top_db = max(float(drawn.levels_db.max()), _QUIETEST_TOP_DB)
    mesh = axes.pcolormesh(
        drawn.times_s,
        drawn.frequencies_hz,
        drawn.levels_db,
        cmap="magma",
        vmin=top_db - _RANGE_DB,
        vmax=top_db,
        rasterized=True,
    )
    axes.set_yscale("log")
    axes.set_ylim(LOWEST_HZ, drawn.frequencies_hz[-1])
    axes.yaxis.set_major_locator(FixedLocator(_TICKS_HZ))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(_hertz))
    axes.xaxis.set_major_locator(MaxNLocator(10, steps=[1, 1.5, 2, 3, 6, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(_clock))
    axes.set_ylabel("Frequency")
    bar = figure.colorbar(mesh, ax=axes, pad=0.01, aspect=16)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=_INK, labelsize=8, length=0)
    bar.set_label("dBFS", color=_INK, fontsize=9)


def _title(name: str) -> str:
    return f"Without {name[2:].lower()}" if name[:2] == "no" else name.capitalize()


def _clock(time_s: float, _position: int | None = None) -> str:
    return f"{int(time_s // 60)}:{time_s % 60:04.1f}".removesuffix(".0")


def _hertz(frequency_hz: float, _position: int | None = None) -> str:
    return f"{frequency_hz / 1000:g} kHz" if frequency_hz >= 1000 else f"{frequency_hz:g} Hz"
