"""studio-depth-small: relative depth for CPUs, from the segmenter's image encoder.

The encoder is MobileSAM's (:mod:`studio_pipelines.models.tiny_vit`), as its package has it; on its
frozen stages lies a head of our own (:mod:`studio_pipelines.models.depth_head`), learned from
rendered scenes alone (``training/depth``). Good for parallax, fog, blur and relighting; not for
measuring.
"""

import shutil
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from studio_pipelines.errors import UnusableModel
from studio_pipelines.media.depth_network import NetworkDepth, Quantity
from studio_pipelines.models.depth_head import DepthHead
from studio_pipelines.models.stoppable import Stoppable
from studio_pipelines.models.tiny_vit import MULTIPLE_PX, TinyVit, weights_in

SIDE_PX: Final = 384
"""Longer side of the pictures that it learned from."""
_LEAST_PX: Final = 64
_ENCODER, _HEAD, _EXPORTED = "encoder.safetensors", "head.safetensors", "encoder.onnx"
# Of ImageNet, in 8-bit code values, as Segment Anything was trained with.
_MEAN: Final = (123.675, 116.28, 103.53)
_SPREAD: Final = (58.395, 57.12, 57.375)


def normalised(codes: NDArray[np.uint8]) -> Tensor:
    """Return sRGB code values (height, width, 3) as the encoder takes them, (1, 3, ...)."""
    mean, spread = (torch.tensor(row).view(3, 1, 1) for row in (_MEAN, _SPREAD))
    values = torch.from_numpy(np.ascontiguousarray(codes.transpose(2, 0, 1))).float()
    return ((values - mean) / spread)[None]


def convert(source: Path, target: Path) -> None:
    """Read the encoder's weights out of the segmenter's file, and keep them beside the head.

    Raises:
        UnusableModel: The file does not hold that encoder.
    """
    import onnx

    try:
        save_file(weights_in(source / _EXPORTED), target / _ENCODER)
    except (KeyError, ValueError, RuntimeError, onnx.checker.ValidationError) as error:
        raise UnusableModel(
            f"The file {_EXPORTED} does not hold the encoder that was expected.", field="model"
        ) from error
    shutil.copyfile(source / _HEAD, target / _HEAD)


class StudioDepth:
    """The encoder and the head, ready to run."""

    quantity: Quantity = "inverse"
    usual_side_px = SIDE_PX

    def __init__(self, encoder: TinyVit, head: DepthHead, device: str) -> None:
        self._encoder, self._head = encoder.to(device).eval(), head.to(device).eval()
        self._device = device
        self._watch = Stoppable(torch.nn.ModuleList([encoder, head]))

    def estimate(self, codes: NDArray[np.uint8], side_px: int) -> NetworkDepth:
        """Estimate a picture's inverse depth, as the mean over it and its mirror image.

        Args:
            codes: sRGB code values, shape (height, width, 3).
            side_px: Of the longer side; both are rounded to a multiple of 16.

        Returns:
            As high and wide as the network saw the picture; median 0, mean absolute deviation 1.

        Raises:
            Stopped: :meth:`stop` was called.
        """
        height, width = codes.shape[:2]
        scale = side_px / max(height, width)
        seen_h, seen_w = (
            max(_LEAST_PX, round(side * scale / MULTIPLE_PX) * MULTIPLE_PX)
            for side in (height, width)
        )
        picture = Image.fromarray(np.ascontiguousarray(codes))
        seen = picture.resize((seen_w, seen_h), Image.Resampling.BICUBIC)
        self._watch.begin()
        with torch.inference_mode():
            values = normalised(np.asarray(seen)).to(self._device)
            found = self._head(self._encoder(torch.cat([values, values.flip(-1)])))
            mean = (found[0] + found[1].flip(-1)).float()[None, None]
            smooth = functional.interpolate(mean, (seen_h, seen_w), mode="bicubic")
        return NetworkDepth(levelled(smooth[0, 0].cpu().numpy()))

    def stop(self) -> None:
        """Make an estimate that runs in another thread end at its next layer."""
        self._watch.stop()


def levelled(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return values with median 0 and mean absolute deviation 1."""
    centred = values - np.median(values)
    return (centred / max(float(np.abs(centred).mean()), 1e-6)).astype(np.float32)


def load_studio_depth(folder: Path, device: str) -> StudioDepth:
    """Load the model from its folder.

    Raises:
        UnusableModel: Its files are not what they should be.
    """
    encoder, head = TinyVit(), DepthHead()
    parts: tuple[tuple[Any, str], ...] = ((encoder, _ENCODER), (head, _HEAD))
    try:
        for module, name in parts:
            weights = load_file(folder / name)
            module.load_state_dict({key: value.float() for key, value in weights.items()})
    except (OSError, SafetensorError, RuntimeError) as error:
        raise UnusableModel(
            "The model's files are not those of studio-depth-small.", field="model"
        ) from error
    return StudioDepth(encoder, head, device)
