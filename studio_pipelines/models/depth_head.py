"""The head of studio-depth-small: from what an image encoder sees to relative inverse depth.

About 0.8 M parameters on the frozen stages of TinyViT: two layers of attention over the whole
picture at stride 16, then convolutions that add what the finer stages see. It is told where in the
picture each cell lies, for what is low in a picture is near. ``training/depth`` makes its weights.
"""

from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from studio_pipelines.models.tiny_vit import CHANNELS

_WIDE, _MIDDLE, _NARROW = 128, 64, 32
_LAYERS: Final = 2
_GROUPS: Final = 8


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(_GROUPS, channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, values: Tensor) -> Tensor:
        """Return values of the same shape."""
        inner = self.first(functional.gelu(self.norm(values)))
        return values + self.second(functional.gelu(inner))


class _Taken(nn.Module):
    """A stage's values, brought to one scale and another width."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, inputs)
        self.project = nn.Conv2d(inputs, outputs, 1)

    def forward(self, values: Tensor, dropped: float) -> Tensor:
        """Return (pictures, outputs, height, width)."""
        return self.project(functional.dropout2d(self.norm(values), dropped, self.training))


class DepthHead(nn.Module):
    """The network; see the module."""

    def __init__(self) -> None:
        super().__init__()
        finest, fine, coarse, coarsest = CHANNELS
        self.take16 = _Taken(coarse + coarsest, _WIDE)
        self.take8, self.take4 = _Taken(fine, _MIDDLE), _Taken(finest, _NARROW)
        self.places = nn.Sequential(nn.Conv2d(6, 64, 1), nn.GELU(), nn.Conv2d(64, _WIDE, 1))
        self.attend = nn.ModuleList(
            nn.TransformerEncoderLayer(
                _WIDE,
                4,
                3 * _WIDE,
                dropout=0.0,
                batch_first=True,
                norm_first=True,
                activation="gelu",
            )
            for _ in range(_LAYERS)
        )
        self.mix16, self.mix8, self.mix4 = _Residual(_WIDE), _Residual(_MIDDLE), _Residual(_NARROW)
        self.to8, self.to4 = nn.Conv2d(_WIDE, _MIDDLE, 1), nn.Conv2d(_MIDDLE, _NARROW, 1)
        self.coarse = nn.Conv2d(_WIDE, 1, 1)
        self.fine = nn.Conv2d(_NARROW, 1, 3, padding=1)

    def forward(self, stages: list[Tensor], dropped: float = 0.0) -> Tensor:
        """Return inverse depth up to scale and shift, larger is nearer.

        Args:
            stages: Of :class:`~studio_pipelines.models.tiny_vit.TinyVit`.
            dropped: Share of channels left out, in training.

        Returns:
            (pictures, height / 4, width / 4).
        """
        finest, fine, coarse, coarsest = stages
        values = self.take16(torch.cat([coarse, coarsest], 1), dropped)
        count, channels, height, width = values.shape
        values = values + self.places(_coordinates(height, width).to(values))
        tokens = values.flatten(2).transpose(1, 2)
        for layer in self.attend:
            tokens = layer(tokens)
        values = self.mix16(tokens.transpose(1, 2).reshape(count, channels, height, width))
        rough = self.coarse(values)
        values = self.mix8(self.take8(fine, dropped) + _spread(self.to8(values), fine))
        values = self.mix4(self.take4(finest, dropped) + _spread(self.to4(values), finest))
        return (self.fine(values) + _spread(rough, finest))[:, 0]


def _coordinates(height: int, width: int) -> Tensor:
    """Return where each cell lies, of its side and of the longer side, and the sides' shares."""
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij"
    )
    across, down = width / max(height, width), height / max(height, width)
    flat = torch.ones_like(x)
    return torch.stack([x, y, x * across, y * down, flat * across, flat * down])[None]


def _spread(values: Tensor, like: Tensor) -> Any:
    size = like.shape[-2:]
    return functional.interpolate(values, size=size, mode="bilinear", align_corners=False)
