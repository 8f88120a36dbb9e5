"""ViTMatte: finds alpha in the unknown part of a trimap.

Yao et al., *ViTMatte: Boosting Image Matting with Pretrained Plain Vision Transformers*
(Information Fusion 103, 2024), as transformers has it. Its processor is replaced by the few lines
that it comes to.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from studio_pipelines.errors import UnusableModel

_MULTIPLE_PX: Final = 32
_UNKNOWN: Final = 128


class Stopped(RuntimeError):
    """The network was told to stop."""


class VitMatte:
    """A loaded network."""

    def __init__(self, network: Any, device: str) -> None:
        self._network, self._device = network, device
        self._is_stopped = False
        for layer in network.modules():
            layer.register_forward_pre_hook(self._stop_here)

    @property
    def network(self) -> Any:
        """The network itself, for whoever measures its memory."""
        return self._network

    def solve(
        self,
        codes: NDArray[np.float32],
        trimap: NDArray[np.uint8],
        _wished: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Find alpha where the trimap does not know.

        Args:
            codes: sRGB code values, 0 to 1, shape (height, width, 3).
            trimap: 0, 128 or 255, shape (height, width).

        Returns:
            0 to 1, shape (height, width): 0 and 1 where the trimap knows.

        Raises:
            Stopped: :meth:`stop` was called.
        """
        self._is_stopped = False
        height, width = trimap.shape
        colours = torch.from_numpy(np.ascontiguousarray(codes)).permute(2, 0, 1) * 2 - 1
        known = torch.from_numpy(trimap.astype(np.float32) / 255)[None]
        planes = torch.cat((colours, known))[None].to(self._device)
        edges = (0, -width % _MULTIPLE_PX, 0, -height % _MULTIPLE_PX)
        with torch.inference_mode():
            alphas = self._network(pixel_values=functional.pad(planes, edges)).alphas
        found = alphas[0, 0, :height, :width].float().cpu().numpy()
        answer = np.where(trimap == _UNKNOWN, np.clip(found, 0, 1), trimap / np.float32(255))
        return answer.astype(np.float32)

    def stop(self) -> None:
        """Make a search that runs in another thread end at its next layer."""
        self._is_stopped = True

    def _stop_here(self, _layer: Any, _inputs: Any) -> None:
        if self._is_stopped:
            raise Stopped


def load_vitmatte(folder: Path, device: str) -> VitMatte:
    """Load a network from a folder as hubs keep it: ``config.json`` and safetensors.

    Raises:
        UnusableModel: The folder holds no such network.
    """
    from transformers import VitMatteForImageMatting

    try:
        # From a folder whose files' hashes were checked; nothing is fetched.
        network: Any = VitMatteForImageMatting.from_pretrained(  # nosec B615
            folder, local_files_only=True, use_safetensors=True
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise UnusableModel(
            "The model's folder does not hold a ViTMatte network.", field="model"
        ) from error
    return VitMatte(network.to(device).eval(), device)
