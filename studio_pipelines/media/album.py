"""Several tracks as one programme: one loudness, and one gain for all."""

from collections.abc import Sequence

import numpy as np

from studio_pipelines.media.loudness import Loudness, loudness_of_steps


def album_loudness(tracks: Sequence[Loudness]) -> Loudness:
    """Measure tracks as if they were played one after the other, without a pause.

    The energies of 10 ms that were measured of each are put in a row and gated as one programme:
    what a meter reads that hears them all, but for the few milliseconds by which K-weighting rings
    from one track into the next, and for the rest of each track that fills no 10 ms.

    Args:
        tracks: What each measures, at least one.
    """
    return loudness_of_steps(
        np.concatenate([track.step_energies for track in tracks]),
        np.concatenate([track.step_peaks for track in tracks]),
        sample_peak_db=max(track.sample_peak_db for track in tracks),
        true_peak_db=max(track.true_peak_db for track in tracks),
    )
