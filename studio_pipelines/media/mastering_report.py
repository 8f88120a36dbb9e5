"""A master's figures, as they are told: camelCase, two decimals, null for what is silent."""

import math

from studio_pipelines.media.loudness import Loudness
from studio_pipelines.media.mastering import Mastering
from studio_pipelines.media.mastering_target import TOLERANCE_LU

Figure = float | int | bool | str | None
Figures = dict[str, Figure]


def loudness_figures(loudness: Loudness) -> Figures:
    """Give a measurement as JSON; silence, minus infinity, becomes null."""
    return {
        "integratedLufs": _figure(loudness.integrated_lufs),
        "lra": _figure(loudness.lra_lu),
        "maxMomentary": _figure(loudness.max_momentary_lufs),
        "maxShortTerm": _figure(loudness.max_short_term_lufs),
        "samplePeakDb": _figure(loudness.sample_peak_db),
        "truePeakDb": _figure(loudness.true_peak_db),
    }


def metrics(mastering: Mastering) -> Figures:
    """Give what was done to the programme."""
    return {
        "gainDb": _figure(mastering.plan.gain_db),
        "maxGainReductionDb": _figure(mastering.max_reduction_db),
        "mode": "linear" if mastering.plan.ceilings_db is None else "dynamic",
        "modeReason": mastering.plan.mode_reason,
        "iterations": mastering.plan.passes,
        "encodeTries": mastering.tries,
        "sampleRate": mastering.sample_rate_hz,
    }


def verification(mastering: Mastering) -> dict[str, Figure | Figures]:
    """Give what the encoded file measures, beside what was asked for."""
    target = mastering.settings.target
    return {
        "passed": mastering.achieved,
        "achieved": mastering.achieved,
        "reason": mastering.reason,
        "targetLufs": target.target_lufs,
        "toleranceLu": TOLERANCE_LU,
        "truePeakCeilingDb": target.true_peak_db,
        "before": loudness_figures(mastering.before),
        "after": loudness_figures(mastering.after),
    }


def report(mastering: Mastering) -> dict[str, object]:
    """Give the whole account, with the loudness curves at 10 Hz, as JSON."""
    return {
        "metrics": metrics(mastering),
        "verification": verification(mastering),
        "curves": {
            "stepSeconds": 0.1,
            "before": _curves(mastering.before),
            "after": _curves(mastering.after),
        },
    }


def _curves(loudness: Loudness) -> dict[str, list[Figure]]:
    return {
        "momentaryLufs": [_figure(value) for value in loudness.momentary_lufs.tolist()],
        "shortTermLufs": [_figure(value) for value in loudness.short_term_lufs.tolist()],
    }


def _figure(value: float) -> Figure:
    return round(value, 2) if math.isfinite(value) else None
