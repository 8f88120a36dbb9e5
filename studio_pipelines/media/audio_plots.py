"""Pictures of a master beside its programme: loudness over time, and spectrum."""

import math
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, MultipleLocator, NullLocator
from numpy.typing import NDArray

from studio_pipelines.media.equaliser import EqCurve
from studio_pipelines.media.figure_png import figure_png
from studio_pipelines.media.loudness import Loudness
from studio_pipelines.media.mastering_target import MasteringTarget
from studio_pipelines.media.reference_match import level_difference_db
from studio_pipelines.media.spectrum import Spectra

_SIZE_IN = (10.0, 4.6)
_CURVE_IN = 1.8
_DPI = 120
_BEFORE = "#94a3b8"
_AFTER = "#0f766e"
_TARGET = "#c2410c"
_INK = "#1e293b"
_GRID = "#e2e8f0"
_LOWEST_LUFS = -60.0
_MOST_POINTS = 2000
_TICKS_HZ = (31.5, 63, 125, 250, 500, 1000, 2000, 4000, 8000, 16_000)


def loudness_plot(before: Loudness, after: Loudness, target: MasteringTarget) -> bytes:
    """Draw momentary and short-term loudness before and after, with the target, as a PNG."""
    figure, axes = _figure("Loudness")
    for loudness, colour, name in ((before, _BEFORE, "Before"), (after, _AFTER, "After")):
        momentary, short_term = loudness.momentary_lufs, loudness.short_term_lufs
        axes.plot(*_curve(momentary), color=colour, linewidth=0.7, alpha=0.45)
        label = (
            f"{name}  {_told(loudness.integrated_lufs)} LUFS, "
            f"true peak {_told(loudness.true_peak_db)} dBTP"
        )
        axes.plot(*_curve(short_term), color=colour, linewidth=2.0, label=label)
    axes.axhline(
        target.target_lufs,
        color=_TARGET,
        linewidth=1.2,
        linestyle=(0, (5, 3)),
        label=f"Target  {_told(target.target_lufs)} LUFS",
    )
    duration_s = max(len(before.momentary_lufs), len(after.momentary_lufs)) / 10
    axes.set_xlim(0, max(duration_s, 0.1))
    axes.set_ylim(*_loudness_limits(before, after, target))
    axes.xaxis.set_major_locator(MaxNLocator(10, steps=[1, 1.5, 2, 3, 6, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(_clock))
    axes.set_ylabel("LUFS  (bold: 3 s, thin: 0.4 s)")
    return _png(figure, axes)


def spectrum_plot(spectra: Spectra, curve: EqCurve | None = None) -> bytes:
    """Draw the third-octave spectra before and after, and what an equaliser did, as a PNG."""
    figure, axes = _figure("Spectrum")
    highest = max(float(s.levels_db.max()) for s in (spectra.before, spectra.after))
    drawn = [(spectra.before, "Before", _BEFORE, "-"), (spectra.after, "After", _AFTER, "-")]
    if spectra.reference is not None:
        # What was matched is its tone: it is drawn at the level of the master.
        level = spectra.reference.raised_by(-level_difference_db(spectra.after, spectra.reference))
        drawn.append((level, "Reference, at the level of the master", _TARGET, "--"))
    for spectrum, name, colour, style in drawn:
        axes.semilogx(
            spectrum.frequencies_hz,
            spectrum.levels_db,
            color=colour,
            linestyle=style,
            linewidth=2.0 if style == "-" else 1.2,
            label=name,
        )
    axes.set_ylim(highest - 66, highest + 6)
    axes.yaxis.set_major_locator(MultipleLocator(12))
    axes.set_ylabel("dBFS per third octave")
    _over_frequency(axes)
    if curve is not None:
        _draw_curve(figure, axes, curve)
    return _png(figure, axes)


def _over_frequency(axes: Any) -> None:
    axes.set_xlim(25, 20_000)
    axes.xaxis.set_major_locator(FixedLocator(_TICKS_HZ))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(_hertz))


def _draw_curve(figure: Any, above: Any, curve: EqCurve) -> None:
    """Draw an equaliser's gains in a panel of its own below the spectra."""
    figure.set_size_inches(_SIZE_IN[0], _SIZE_IN[1] + _CURVE_IN)
    layout = figure.add_gridspec(2, 1, height_ratios=(_SIZE_IN[1], _CURVE_IN))
    above.set_subplotspec(layout[0])
    axes = figure.add_subplot(layout[1])
    _style(axes)
    axes.axhline(0, color=_BEFORE, linewidth=0.8)
    axes.semilogx(curve.frequencies_hz, curve.gains_db, color=_AFTER, linewidth=2.0)
    reach_db = max(3.0, 1.2 * float(np.abs(curve.gains_db).max()))
    axes.set_ylim(-reach_db, reach_db)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 3, 6, 10], symmetric=True))
    axes.set_ylabel("Equaliser, dB")
    _over_frequency(axes)
    figure.align_ylabels((above, axes))


def _figure(title: str) -> tuple[Any, Any]:
    """Give a figure and its axes; matplotlib types them in part only."""
    figure: Any = Figure(figsize=_SIZE_IN, dpi=_DPI, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.18, h_pad=0.14)
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", color=_INK, fontsize=13, fontweight="bold", pad=28)
    _style(axes)
    return figure, axes


def _style(axes: Any) -> None:
    axes.grid(visible=True, color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_BEFORE)
    axes.tick_params(colors=_INK, labelsize=9, length=0)
    axes.yaxis.label.set(color=_INK, fontsize=9)


def _png(figure: Any, axes: Any) -> bytes:
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=3,
        frameon=False,
        fontsize=9.5,
        labelcolor=_INK,
        borderaxespad=0.2,
        handlelength=1.6,
        columnspacing=2.2,
    )
    return figure_png(figure)


def _curve(levels: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give times and levels, the loudest of each pixel's worth, with gaps where it is silent."""
    group = max(1, math.ceil(len(levels) / _MOST_POINTS))
    padded = np.pad(levels, (0, -len(levels) % group), constant_values=-np.inf)
    loudest = padded.reshape(-1, group).max(axis=1)
    times_s = (np.arange(len(loudest)) + 1) * group / 10
    return times_s, np.where(np.isfinite(loudest), loudest, np.nan)


def _loudness_limits(
    before: Loudness, after: Loudness, target: MasteringTarget
) -> tuple[float, float]:
    curves = [before.momentary_lufs, after.momentary_lufs, np.array([target.target_lufs])]
    levels = np.concatenate(curves)
    levels = levels[np.isfinite(levels)]
    low = max(float(np.percentile(levels, 2)) - 3, _LOWEST_LUFS)
    return min(low, target.target_lufs - 6), float(levels.max()) + 3


def _told(level: float) -> str:
    return f"{level:.1f}".replace("-", "\N{MINUS SIGN}") if math.isfinite(level) else "silent"


def _clock(time_s: float, _position: int | None = None) -> str:
    return f"{int(time_s // 60)}:{time_s % 60:04.1f}".removesuffix(".0")


def _hertz(frequency_hz: float, _position: int | None = None) -> str:
    return f"{frequency_hz / 1000:g} kHz" if frequency_hz >= 1000 else f"{frequency_hz:g}"
