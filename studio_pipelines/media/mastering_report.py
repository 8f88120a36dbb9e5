"""A master's figures, as they are told: camelCase, two decimals, null for what is silent."""

import math

from studio_pipelines.media.compressor import CompressionReport
from studio_pipelines.media.loudness import Loudness
from studio_pipelines.media.mastering import Mastering
from studio_pipelines.media.mastering_target import TOLERANCE_LU
from studio_pipelines.media.reference_match import spectral_distances_db
from studio_pipelines.media.spectrum import Spectra

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


def metrics(mastering: Mastering, spectra: Spectra | None = None) -> Figures:
    """Give what was done to the programme."""
    record, limited = mastering.shaping, mastering.plan.ceiling_db is not None
    figures: Figures = {
        "gainDb": _figure(mastering.plan.gain_db),
        "maxGainReductionDb": _figure(mastering.max_reduction_db),
        "mode": "dynamic" if limited or record.levelling else "linear",
        "modeReason": mastering.mode_reason,
        "iterations": mastering.plan.passes,
        "encodeTries": mastering.tries,
        "ceilingBackOffDb": _figure(mastering.back_off_db),
        "sampleRate": mastering.sample_rate_hz,
    }
    if record.compression is not None:
        figures |= _compression_figures(record.compression)
    if record.side_to_mid_db is not None:
        figures |= {"width": _figure(record.width), "sideToMidDb": _figure(record.side_to_mid_db)}
    if record.levelling is not None:
        gains_db = record.levelling.gains_db
        figures["levelledUpDb"] = _figure(max(0.0, float(gains_db.max())))
        figures["levelledDownDb"] = _figure(max(0.0, -float(gains_db.min())))
    if spectra is not None and spectra.reference is not None:
        before_db, after_db = spectral_distances_db(spectra, spectra.reference)
        figures["referenceDistanceBeforeDb"] = _figure(before_db)
        figures["referenceDistanceAfterDb"] = _figure(after_db)
    return figures


def _compression_figures(compression: CompressionReport) -> Figures:
    figures: Figures = {"compressionRatio": _figure(compression.ratio)}
    for name, largest_db, mean_db in zip(
        ("Low", "Mid", "High"),
        compression.max_reductions_db,
        compression.mean_reductions_db,
        strict=True,
    ):
        figures[f"compression{name}MaxDb"] = _figure(largest_db)
        figures[f"compression{name}MeanDb"] = _figure(mean_db)
    return figures


def verification(mastering: Mastering) -> dict[str, Figure | Figures]:
    """Give what the encoded file measures, beside what was asked for."""
    target = mastering.settings.target
    album: Figures = {}
    if mastering.album is not None:
        album["trackLufs"] = _figure(mastering.goal_lufs)
        album["albumLufs"] = _figure(mastering.album.integrated_lufs)
    return {
        "passed": mastering.achieved,
        "achieved": mastering.achieved,
        "reason": mastering.reason,
        "targetLufs": target.target_lufs,
        **album,
        "toleranceLu": TOLERANCE_LU,
        "truePeakCeilingDb": target.true_peak_db,
        "lraTarget": target.lra_lu,
        "before": loudness_figures(mastering.before),
        "after": loudness_figures(mastering.after),
    }


def report(mastering: Mastering, spectra: Spectra | None = None) -> dict[str, object]:
    """Give the whole account, with the loudness curves at 10 Hz, as JSON."""
    curve = mastering.shaping.curve
    return {
        "metrics": metrics(mastering, spectra),
        "verification": verification(mastering),
        "curves": {
            "stepSeconds": 0.1,
            "before": _curves(mastering.before),
            "after": _curves(mastering.after),
        },
        "equaliser": None
        if curve is None
        else {
            "frequenciesHz": [_figure(value) for value in curve.frequencies_hz.tolist()],
            "gainsDb": [_figure(value) for value in curve.gains_db.tolist()],
        },
    }


def _curves(loudness: Loudness) -> dict[str, list[Figure]]:
    return {
        "momentaryLufs": [_figure(value) for value in loudness.momentary_lufs.tolist()],
        "shortTermLufs": [_figure(value) for value in loudness.short_term_lufs.tolist()],
    }


def _figure(value: float) -> Figure:
    return round(value, 2) if math.isfinite(value) else None
