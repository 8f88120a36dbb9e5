"""Depth Anything and Depth Pro, by transformers' own models.

- L. Yang et al., *Depth Anything V2* (NeurIPS 2024): relative inverse depth, or depth in metres.
- A. Bochkovskii et al., *Depth Pro: Sharp Monocular Metric Depth in Less Than a Second* (ICLR
  2025): depth in metres, and the field of view.

What the models are shown is prepared here in the way of transformers' processors, which want
torchvision; ``tests/studio_pipelines/models/test_depth_anything.py`` holds both against each other.
"""

import importlib
import math
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional

from studio_pipelines.errors import UnusableModel
from studio_pipelines.media.depth_network import NetworkDepth, Quantity
from studio_pipelines.models.stoppable import Stoppable

_SIDE_PX: Final = 518
_IMAGENET: Final = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_HALVES: Final = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
_LEAST_INVERSE, _MOST_INVERSE = 1e-4, 1e4  # of a metre, as Depth Pro's processor bounds it
_STRAIGHT: Final = 180.0  # degrees: no camera's field reaches that far
_LOADING: Final = {"local_files_only": True, "use_safetensors": True}


def fitted_size(height: int, width: int, side_px: int, multiple_px: int) -> tuple[int, int]:
    """Return the height and width that Depth Anything is shown a picture in.

    It is scaled as little as one of its sides needs to become ``side_px``, and both sides are
    rounded to a multiple.
    """
    by_height, by_width = side_px / height, side_px / width
    scale = by_width if abs(1 - by_width) < abs(1 - by_height) else by_height
    sizes = (round(scale * side / multiple_px) * multiple_px for side in (height, width))
    first, second = (max(multiple_px, size) for size in sizes)
    return first, second


class DepthAnything:
    """Either version of Depth Anything, ready to run on a device."""

    def __init__(self, model: Any, device: str) -> None:
        """Take a loaded model and its device."""
        self._model, self._device = model, device
        self._patch_px = int(model.config.patch_size)
        is_metric = model.config.depth_estimation_type == "metric"
        self.quantity: Quantity = "metres" if is_metric else "inverse"
        self.usual_side_px = _SIDE_PX
        self._watch = Stoppable(model)

    def estimate(self, codes: NDArray[np.uint8], side_px: int) -> NetworkDepth:
        """Estimate a picture's depth.

        Args:
            codes: sRGB code values, shape (height, width, 3).
            side_px: See :func:`fitted_size`.

        Raises:
            Stopped: :meth:`stop` was called.
        """
        height, width = fitted_size(codes.shape[0], codes.shape[1], side_px, self._patch_px)
        picture = Image.fromarray(np.ascontiguousarray(codes))
        seen = np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))
        values = _planes(seen.astype(np.float32) / 255, _IMAGENET).to(self._device)
        self._watch.begin()
        with torch.inference_mode():
            found = self._model(pixel_values=values).predicted_depth
        return NetworkDepth(found[0].float().cpu().numpy())

    def stop(self) -> None:
        """Make an estimate that runs in another thread end at its next layer."""
        self._watch.stop()


class DepthPro:
    """Depth Pro, ready to run on a device."""

    quantity: Quantity = "metres"

    def __init__(self, model: Any, device: str) -> None:
        """Take a loaded model and its device."""
        self._model, self._device = model, device
        config = model.config
        self.usual_side_px = round(config.patch_size / min(config.scaled_images_ratios))
        self._watch = Stoppable(model)

    def estimate(self, codes: NDArray[np.uint8], side_px: int) -> NetworkDepth:  # noqa: ARG002
        """Estimate a picture's depth, in metres, and its focal length.

        Args:
            codes: sRGB code values, shape (height, width, 3); they are stretched to the one square
                that the network is made for.
            side_px: Not asked for.

        Raises:
            Stopped: :meth:`stop` was called.
        """
        side, width = self.usual_side_px, codes.shape[1]
        seen = np.stack([_stretched(codes[..., c], side) for c in range(3)], axis=-1)
        values = _planes(seen / 255, _HALVES).to(self._device)
        self._watch.begin()
        with torch.inference_mode():
            found = self._model(pixel_values=values)
        inverse = found.predicted_depth[0].float().cpu()
        focal_px = None
        field = 0.0 if found.field_of_view is None else float(found.field_of_view[0])
        if 0 < field < _STRAIGHT:
            focal_px = 0.5 * width / math.tan(0.5 * math.radians(field))
            inverse = inverse * width / focal_px
        metres = 1 / inverse.clamp(_LEAST_INVERSE, _MOST_INVERSE)
        return NetworkDepth(metres.numpy(), focal_px)

    def stop(self) -> None:
        """Make an estimate that runs in another thread end at its next layer."""
        self._watch.stop()


def _stretched(plane: NDArray[np.uint8], side_px: int) -> NDArray[np.float32]:
    """Scale a plane to a square as the processor does: between the nearest pixels, unsmoothed."""
    size = (side_px, side_px)
    scaled: Any = cv2.resize(plane.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    return scaled


def _planes(codes: Any, normal: Any) -> torch.Tensor:
    mean, spread = (np.array(row, np.float32) for row in normal)
    planes = ((codes - mean) / spread).transpose(2, 0, 1)[None]
    return torch.from_numpy(np.ascontiguousarray(planes, np.float32))


def upsampled(values: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Scale a network's values as transformers' pipeline does: bicubic."""
    planes = torch.from_numpy(values)[None, None]
    scaled = functional.interpolate(planes, (height, width), mode="bicubic", align_corners=False)
    return scaled[0, 0].numpy()


def load_depth_anything(folder: Path, device: str) -> DepthAnything:
    """Load a model in the layout of transformers, safetensors only, without a network.

    Raises:
        UnusableModel: The folder holds something else.
    """
    return DepthAnything(_loaded("DepthAnythingForDepthEstimation", folder).to(device), device)


def load_depth_pro(folder: Path, device: str) -> DepthPro:
    """Load Depth Pro in the same way.

    Raises:
        UnusableModel: The folder holds something else.
    """
    return DepthPro(_loaded("DepthProForDepthEstimation", folder).to(device), device)


def _loaded(name: str, folder: Path) -> Any:
    transformers: Any = importlib.import_module("transformers")
    logging: Any = importlib.import_module("transformers.utils.logging")
    logging.disable_progress_bar()
    kind = getattr(transformers, name)
    try:
        return kind.from_pretrained(folder, dtype=torch.float32, **_LOADING).eval()
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise UnusableModel(
            f"The model's files cannot be loaded as {name}.",
            field="model",
            hint="It takes config.json and model.safetensors, as transformers keeps them.",
        ) from error
