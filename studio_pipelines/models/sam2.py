"""Segment Anything 2, for single pictures, by transformers' own model.

N. Ravi et al., *SAM 2: Segment Anything in Images and Videos* (2024). What the model is shown is
prepared here: transformers' processor for it needs torchvision.
"""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from studio_pipelines.errors import UnusableModel

_Floats = NDArray[np.float32]

# Of ImageNet, in code values from 0 to 1, as SAM 2 was trained with.
_MEAN: Final = np.array([0.485, 0.456, 0.406], np.float32)
_SPREAD: Final = np.array([0.229, 0.224, 0.225], np.float32)
_LEVEL: Final = "level{}"


class Stopped(Exception):
    """It was told to stop, while it computed."""


class Sam2:
    """The model, ready to run on a device."""

    keeps_shape = False
    prompts_at_a_time = 8

    def __init__(self, model: Any, device: str) -> None:
        """Take a loaded model and its device."""
        self._model, self._device = model, device
        self.side_px = int(model.config.prompt_encoder_config.image_size)
        self.mask_cells = int(model.prompt_encoder.mask_input_size[0])
        self._stopped = False
        for layer in model.modules():
            layer.register_forward_pre_hook(self._go_on)

    def encode(self, colours: NDArray[np.uint8]) -> dict[str, _Floats]:
        """Return what the decoder needs to know of a picture.

        Args:
            colours: sRGB code values, (side, side, 3): the picture stretched to the square.

        Returns:
            The features of each level, (1, channels, height, width), the finest first.
        """
        seen = (colours.astype(np.float32) / 255 - _MEAN) / _SPREAD
        values = torch.from_numpy(seen.transpose(2, 0, 1)[None]).to(self._device)
        self._stopped = False
        with torch.inference_mode():
            levels = self._model.get_image_embeddings(values)
        return {_LEVEL.format(n): one.float().cpu().numpy() for n, one in enumerate(levels)}

    def decode(
        self,
        known: Mapping[str, _Floats],
        points: _Floats,
        labels: _Floats,
        logits: _Floats | None = None,
        *,
        several: bool,
    ) -> tuple[_Floats, _Floats]:
        """Return the masks that prompts stand for.

        Args:
            known: From :meth:`encode`.
            points: (prompts, points, 2), x before y, in pixels of the square that it saw.
            labels: (prompts, points): 1 inside, 0 outside, 2 and 3 a box's first and last corner.
            logits: (cells, cells) a mask to begin from, as this returns it, or None.
            several: Whether a prompt could mean a part or the whole: then each has three masks,
                else one.

        Returns:
            Logits (prompts, masks, cells, cells), positive inside; and, (prompts, masks), how well
            each overlaps with what is meant, by the model's own estimate.
        """
        given: dict[str, Any] = {
            "image_embeddings": [
                torch.from_numpy(known[_LEVEL.format(n)]).to(self._device)
                for n in range(len(known))
            ],
            "input_points": torch.from_numpy(points)[None].to(self._device),
            "input_labels": torch.from_numpy(labels.astype(np.int64))[None].to(self._device),
        }
        if logits is not None:
            given["input_masks"] = torch.from_numpy(logits)[None, None].to(self._device)
        self._stopped = False
        with torch.inference_mode():
            found = self._model(**given, multimask_output=several)
        return found.pred_masks[0].float().cpu().numpy(), found.iou_scores[0].float().cpu().numpy()

    def stop(self) -> None:
        """Make what runs in another thread end before its next layer, with an error."""
        self._stopped = True

    def _go_on(self, *_: object) -> None:
        if self._stopped:
            raise Stopped


def load_sam2(folder: Path, device: str) -> Sam2:
    """Load a model in the layout of transformers, safetensors only, without a network.

    Raises:
        UnusableModel: The folder holds something else.
    """
    transformers: Any = importlib.import_module("transformers")
    logging: Any = importlib.import_module("transformers.utils.logging")
    logging.disable_progress_bar()
    try:
        model = transformers.Sam2Model.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise UnusableModel(
            "The model's files cannot be loaded as Segment Anything 2.",
            field="model",
            hint="It takes config.json and model.safetensors, as transformers keeps them.",
        ) from error
    return Sam2(model.to(device).eval(), device)
