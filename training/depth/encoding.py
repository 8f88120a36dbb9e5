"""What the encoder sees of rendered scenes: it is frozen, so this is once.

Each scene is seen once, and those of odd numbers mirrored: another scene teaches more than the same
one twice, and the head has to know both hands.
"""

from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from studio_pipelines.models.studio_depth import normalised
from studio_pipelines.models.tiny_vit import TinyVit, weights_in


def encode_scenes(encoder_path: Path, scenes: Path, folder: Path, part: int, parts: int) -> None:
    """Encode the scenes that have not been, each ``parts``-th from ``part`` on.

    A file holds the stages (channels, height, width) in half precision, and the inverse depth
    (height, width) at stride 4.
    """
    encoder = TinyVit()
    encoder.load_state_dict(weights_in(encoder_path))
    encoder.eval()
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(scenes.glob("*.npz"))[part::parts]:
        target = folder / f"{path.stem}.pt"
        if target.exists():
            continue
        with np.load(path) as scene:
            values = normalised(scene["rgb"])
            inverse = torch.from_numpy(scene["inverse_depth"].astype(np.float32))[None, None]
        if int(path.stem) % 2:
            values, inverse = values.flip(-1), inverse.flip(-1)
        with torch.inference_mode():
            stages = encoder(values)
        quarter = functional.adaptive_avg_pool2d(inverse, stages[0].shape[-2:])[0, 0]
        kept = {"stages": [one[0].half().clone() for one in stages], "truth": quarter}
        partial = target.with_suffix(".part")
        torch.save(kept, partial)
        partial.rename(target)
