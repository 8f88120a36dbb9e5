"""Choose how much the prior counts beside the network: on rendered scenes, never on the bench's."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.stats import spearmanr

from studio_pipelines.media.depth_prior import blended, ramp_with_subject
from studio_pipelines.models.matting import load_subject_network
from studio_pipelines.models.studio_depth import load_studio_depth

WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)


def choose_weight(
    model: Path, subject: Path, engine: str, scenes: list[Path]
) -> dict[float, float]:
    """Return the mean rank correlation with the truth by the prior's weight.

    Args:
        model: The folder of studio-depth-small.
        subject: The folder of the network that finds subjects.
        engine: That network's.
        scenes: Rendered scenes that the head did not learn from.
    """
    network, finder = load_studio_depth(model, "cpu"), load_subject_network(subject, engine)
    found: dict[float, list[float]] = {weight: [] for weight in WEIGHTS}
    for path in scenes:
        with np.load(path) as scene:
            pixels, truth = scene["rgb"], scene["inverse_depth"].astype(np.float32)
        values = network.estimate(pixels, 384).values
        side = (finder.side_px, finder.side_px)
        seen: Any = cv2.resize(pixels, side, interpolation=cv2.INTER_AREA)
        shares = finder.find(seen.astype(np.float32) / 255)
        small: Any = cv2.resize(shares, values.shape[::-1], interpolation=cv2.INTER_AREA)
        prior = ramp_with_subject(np.clip(small, 0, 1))
        target: Any = cv2.resize(truth, values.shape[::-1], interpolation=cv2.INTER_AREA)
        for weight, ranks in found.items():
            mixed = blended(values, prior, weight)[::4, ::4]
            ranks.append(float(spearmanr(mixed.ravel(), target[::4, ::4].ravel())[0]))
    return {weight: round(float(np.mean(ranks)), 4) for weight, ranks in found.items()}
