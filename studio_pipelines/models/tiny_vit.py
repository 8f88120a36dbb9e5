"""TinyViT, the image encoder of MobileSAM, for pictures of any size, with what lies inside of it.

K. Wu et al., *TinyViT: Fast Pretraining Distillation for Small Vision Transformers* (ECCV 2022), in
the 5 M size. The segmenter's own file of it takes 1024 x 1024 pixels alone and gives its last stage
alone; the same weights are read out of that file here, and give the same values there.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS: Final = (64, 128, 160, 320)
"""Of the four stages; their strides are 4, 8, 16 and 16."""
MULTIPLE_PX: Final = 16
_DEPTHS, _HEADS, _WINDOWS = (2, 2, 6, 2), (2, 4, 5, 10), (7, 7, 14, 7)
_STRIDES: Final = (2, 2, 1)


def _convolution(inputs: int, outputs: int, side: int, stride: int = 1, groups: int = 1) -> Any:
    return nn.Conv2d(inputs, outputs, side, stride, side // 2, groups=groups)


class _Inverted(nn.Module):
    """Three convolutions through a wider middle, and past them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = 4 * channels
        self.conv1 = _convolution(channels, wide, 1)
        self.conv2 = _convolution(wide, wide, 3, groups=wide)
        self.conv3 = _convolution(wide, channels, 1)

    def forward(self, values: Tensor) -> Tensor:
        """Return values of the same shape."""
        inner = functional.gelu(self.conv2(functional.gelu(self.conv1(values))))
        return functional.gelu(values + self.conv3(inner))


class _Downsample(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _convolution(inputs, outputs, 1)
        self.conv2 = _convolution(outputs, outputs, 3, stride, outputs)
        self.conv3 = _convolution(outputs, outputs, 1)

    def forward(self, values: Tensor) -> Tensor:
        """Return values at the next stage's stride and width."""
        return self.conv3(functional.gelu(self.conv2(functional.gelu(self.conv1(values)))))


class _Attention(nn.Module):
    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.register_buffer("places", torch.zeros(heads, window**2, window**2))

    def forward(self, tokens: Tensor) -> Tensor:
        """Attend within windows: (windows, tokens, channels)."""
        count, length, channels = tokens.shape
        mixed = self.qkv(self.norm(tokens)).view(count, length, self.heads, -1)
        query, key, value = (
            part.transpose(1, 2) for part in mixed.split(channels // self.heads, dim=-1)
        )
        places: Any = self.places
        seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=places[None])
        return self.proj(seen.transpose(1, 2).reshape(count, length, channels))


class _Mlp(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.fc1 = nn.Linear(channels, 4 * channels)
        self.fc2 = nn.Linear(4 * channels, channels)

    def forward(self, values: Tensor) -> Tensor:
        """Return values of the same shape, channels last."""
        return self.fc2(functional.gelu(self.fc1(self.norm(values))))


class _Block(nn.Module):
    """Attention in windows, a convolution across them, and a perceptron."""

    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.attn = _Attention(channels, heads, window)
        self.local_conv = _convolution(channels, channels, 3, groups=channels)
        self.mlp = _Mlp(channels)

    def forward(self, values: Tensor) -> Tensor:
        """Return values of the same shape, (pictures, channels, height, width)."""
        count, channels, height, width = values.shape
        side = self.window
        below, right = -height % side, -width % side
        tokens = functional.pad(values.permute(0, 2, 3, 1), (0, 0, 0, right, 0, below))
        rows, columns = (height + below) // side, (width + right) // side
        tokens = tokens.view(count, rows, side, columns, side, channels).transpose(2, 3)
        tokens = self.attn(tokens.reshape(-1, side * side, channels))
        tokens = tokens.view(count, rows, columns, side, side, channels).transpose(2, 3)
        tokens = tokens.reshape(count, height + below, width + right, channels)
        values = self.local_conv(values + tokens[:, :height, :width].permute(0, 3, 1, 2))
        tokens = values.permute(0, 2, 3, 1)
        return (tokens + self.mlp(tokens)).permute(0, 3, 1, 2)


class _Stage(nn.Module):
    def __init__(self, place: int) -> None:
        super().__init__()
        channels = CHANNELS[place]
        self.blocks = nn.ModuleList(
            _Block(channels, _HEADS[place], _WINDOWS[place]) if place else _Inverted(channels)
            for _ in range(_DEPTHS[place])
        )
        is_last = place == len(CHANNELS) - 1
        self.downsample = (
            None if is_last else _Downsample(channels, CHANNELS[place + 1], _STRIDES[place])
        )


class TinyVit(nn.Module):
    """The encoder without its neck."""

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = nn.ModuleDict(
            {"0": _convolution(3, 32, 3, 2), "2": _convolution(32, 64, 3, 2)}
        )
        self.layers = nn.ModuleList(_Stage(place) for place in range(len(CHANNELS)))

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Return what each stage makes of pictures.

        Args:
            pictures: (pictures, 3, height, width), normalised as Segment Anything is trained;
                height and width are multiples of 16.

        Returns:
            (pictures, channels, height / stride, width / stride) for each stage.
        """
        values = self.patch_embed["2"](functional.gelu(self.patch_embed["0"](pictures)))
        stages = []
        for layer in self.layers:
            stage: Any = layer
            for block in stage.blocks:
                values = block(values)
            stages.append(values)
            if stage.downsample is not None:
                values = stage.downsample(values)
        return stages


def weights_in(path: Path) -> dict[str, Tensor]:
    """Return the encoder's weights out of MobileSAM's ONNX file, by this module's names.

    Raises:
        KeyError: A weight is not where the export is known to have it.
        onnx.checker.ValidationError: The file is no ONNX model.
    """
    import onnx
    from onnx import numpy_helper

    graph: Any = onnx.load(path).graph
    arrays = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            arrays[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    found = {
        name: torch.from_numpy(np.array(values, np.float32, order="C"))
        for node in graph.node
        for name, values in _named(node, arrays)
    }
    expected = TinyVit().state_dict()
    return {name: found[name].reshape(value.shape) for name, value in expected.items()}


def _named(node: Any, arrays: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Give the weights that a node of the export uses: biases keep their names, the rest none."""
    place = ".".join(node.name.strip("/").split("/")[:-1])
    if node.op_type == "Conv":
        name = place.removesuffix(".c").replace("patch_embed.seq.seq", "patch_embed")
        yield f"{name}.weight", arrays[node.input[1]]
        if len(node.input) > 2:
            yield f"{name}.bias", arrays[node.input[2]]
    elif node.op_type == "MatMul" and node.input[1] in arrays:
        yield f"{place}.weight", arrays[node.input[1]].T
        yield f"{place}.bias", arrays[f"{place}.bias"]
    elif node.op_type == "Add" and node.name.endswith("/attn/Add"):
        yield f"{place}.places", arrays[node.input[1]]
        for norm in (f"{place}.norm", f"{place.removesuffix('.attn')}.mlp.norm"):
            yield f"{norm}.weight", arrays[f"{norm}.weight"]
            yield f"{norm}.bias", arrays[f"{norm}.bias"]
