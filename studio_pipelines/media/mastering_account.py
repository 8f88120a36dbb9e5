"""The files that go with a master: two pictures and the report."""

import json
from pathlib import Path

from studio_pipelines.media.audio import AudioClip
from studio_pipelines.media.audio_blocks import blocks_of
from studio_pipelines.media.audio_plots import loudness_plot, spectrum_plot
from studio_pipelines.media.encoded_loudness import decoded_blocks
from studio_pipelines.media.mastering import Mastering
from studio_pipelines.media.mastering_report import report
from studio_pipelines.media.spectrum import Spectra, third_octave_spectrum


def write_account(folder: Path, mastering: Mastering, clip: AudioClip, file: Path) -> Spectra:
    """Write ``loudness.png``, ``spectrum.png`` and ``report.json``.

    Args:
        folder: Where to.
        mastering: How the master came about.
        clip: The programme.
        file: The encoded master.

    Returns:
        The spectra of what the pictures show.
    """
    before = third_octave_spectrum(blocks_of(clip.samples), clip.sample_rate_hz)
    rate_hz, _, _, blocks = decoded_blocks(file)
    after = third_octave_spectrum(blocks, rate_hz)
    reference = mastering.settings.shaping.reference
    spectra = Spectra(before, after, reference.spectrum if reference else None)
    curves = loudness_plot(mastering.before, mastering.after, mastering.settings.target)
    (folder / "loudness.png").write_bytes(curves)
    (folder / "spectrum.png").write_bytes(spectrum_plot(spectra, mastering.shaping.curve))
    (folder / "report.json").write_text(json.dumps(report(mastering, spectra)))
    return spectra
