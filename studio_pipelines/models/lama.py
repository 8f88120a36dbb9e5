"""LaMa: a generator of Fourier convolutions that continues structure over large holes.

Suvorov et al., *Resolution-robust Large Mask Inpainting with Fourier Convolutions* (2022); the
layers are named as in its authors' checkpoints (Apache-2.0), so that those load as they are. The
sizes are read off the weights. TorchScript exports of it (image, mask → image) run too; they are
code, and are loaded only where the declaration says that they are trusted.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from studio_pipelines.errors import UnusableModel

MULTIPLE_PX: Final = 8
_PREFIX: Final = "generator."
_DOWNSAMPLINGS: Final = 3


class FourierUnit(nn.Module):
    """A 1x1 convolution of the spectrum: every output pixel sees the whole picture."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_layer = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.bn = nn.BatchNorm2d(2 * channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels, height, width) to the same shape."""
        spectrum = torch.fft.rfftn(x, dim=(-2, -1), norm="ortho")
        # Real and imaginary part of a channel lie beside each other.
        parts = torch.view_as_real(spectrum).permute(0, 1, 4, 2, 3).flatten(1, 2)
        parts = self.relu(self.bn(self.conv_layer(parts)))
        parts = parts.unflatten(1, (-1, 2)).permute(0, 1, 3, 4, 2).contiguous()
        size = (x.shape[-2], x.shape[-1])
        return torch.fft.irfftn(torch.view_as_complex(parts), s=size, dim=(-2, -1), norm="ortho")


class SpectralTransform(nn.Module):
    """The global branch: a Fourier unit between two 1x1 convolutions."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.conv1 = nn.Sequential(
            nn.Conv2d(inputs, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU(inplace=True)
        )
        self.fu = FourierUnit(half)
        self.conv2 = nn.Conv2d(half, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, inputs, height, width) to (batch, outputs, height, width)."""
        x = self.conv1(x)
        return self.conv2(x + self.fu(x))


class FourierConvolution(nn.Module):
    """Local and global channels, each fed by both; a branch without channels is left out."""

    def __init__(
        self, inputs: tuple[int, int], outputs: tuple[int, int], size: int, **options: Any
    ) -> None:
        super().__init__()
        (local_in, global_in), (local_out, global_out) = inputs, outputs
        options |= {"bias": False, "padding_mode": "reflect"}
        self.convl2l = nn.Conv2d(local_in, local_out, size, **options) if local_out else None
        self.convl2g = nn.Conv2d(local_in, global_out, size, **options) if global_out else None
        crossing = global_in and local_out
        self.convg2l = nn.Conv2d(global_in, local_out, size, **options) if crossing else None
        both = global_in and global_out
        self.convg2g = SpectralTransform(global_in, global_out) if both else None

    def forward(self, local: Tensor, spread: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Map local and global channels to the next layer's; None stands for no channels."""
        assert self.convl2l is not None
        out = self.convl2l(local)
        if self.convg2l is not None:
            out = out + self.convg2l(spread)
        if self.convl2g is None:
            return out, None
        out_spread = self.convl2g(local)
        if self.convg2g is not None:
            out_spread = out_spread + self.convg2g(spread)
        return out, out_spread


class FourierLayer(nn.Module):
    """A Fourier convolution with batch normalisation and ReLU."""

    def __init__(
        self, inputs: tuple[int, int], outputs: tuple[int, int], size: int, **options: Any
    ) -> None:
        super().__init__()
        self.ffc = FourierConvolution(inputs, outputs, size, **options)
        self.bn_l = nn.BatchNorm2d(outputs[0])
        self.bn_g = nn.BatchNorm2d(outputs[1]) if outputs[1] else None

    def forward(self, local: Tensor, spread: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Map local and global channels to the next layer's."""
        local, spread = self.ffc(local, spread)
        if self.bn_g is not None:
            spread = self.bn_g(spread).relu_()
        return self.bn_l(local).relu_(), spread


class ResidualBlock(nn.Module):
    """Two Fourier layers around which the input is added."""

    def __init__(self, channels: tuple[int, int]) -> None:
        super().__init__()
        self.conv1 = FourierLayer(channels, channels, 3, padding=1)
        self.conv2 = FourierLayer(channels, channels, 3, padding=1)

    def forward(self, local: Tensor, spread: Tensor) -> tuple[Tensor, Tensor]:
        """Map local and global channels to the same shapes."""
        out, out_spread = self.conv2(*self.conv1(local, spread))
        return local + out, spread + out_spread


class Generator(nn.Module):
    """The whole network: (batch, 4, height, width) to (batch, 3, height, width).

    Inputs are red, green and blue, 0 to 1, the hole black, and the mask, 1 in the hole; height and
    width are multiples of 8. Outputs are colours, 0 to 1.
    """

    def __init__(self, width: int = 64, blocks: int = 18, spread_share: float = 0.75) -> None:
        super().__init__()
        deep = width * 2**_DOWNSAMPLINGS
        spread = int(deep * spread_share)
        inner = (deep - spread, spread)
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), FourierLayer((4, 0), (width, 0), 7)]
        for step in range(_DOWNSAMPLINGS):
            channels = width * 2**step
            outputs = inner if step == _DOWNSAMPLINGS - 1 else (2 * channels, 0)
            layers.append(FourierLayer((channels, 0), outputs, 3, stride=2, padding=1))
        layers += [ResidualBlock(inner) for _ in range(blocks)]
        layers.append(nn.Identity())  # where the authors' network joins the branches
        for step in reversed(range(_DOWNSAMPLINGS)):
            channels = width * 2**step
            up = nn.ConvTranspose2d(2 * channels, channels, 3, 2, padding=1, output_padding=1)
            layers += [up, nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Sigmoid()]
        self.model = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        """Fill the hole."""
        spread: Tensor | None = None
        for layer in self.model:
            if isinstance(layer, FourierLayer | ResidualBlock):
                x, spread = layer(x, spread)
            elif isinstance(layer, nn.Identity):
                assert spread is not None
                x = torch.cat((x, spread), dim=1)
            else:
                x = layer(x)
        return x


class Lama:
    """A loaded network."""

    def __init__(self, network: nn.Module, device: str, *, is_script: bool) -> None:
        self._network, self._device, self._is_script = network, device, is_script

    @property
    def network(self) -> nn.Module:
        """The network itself, for whoever measures its memory."""
        return self._network

    def fill(self, colours: NDArray[np.float32], hole: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return what the network makes of a picture with a hole.

        Args:
            colours: (height, width, 3) 8-bit code values; height and width are multiples of 8.
            hole: (height, width).

        Returns:
            Of the colours' shape, and outside the hole equal to them but for rounding.
        """
        image = torch.from_numpy(colours).permute(2, 0, 1)[None].to(self._device) / 255
        mask = torch.from_numpy(hole)[None, None].to(self._device, image.dtype)
        with torch.inference_mode():
            known = image * (1 - mask)
            if self._is_script:
                filled = self._network(known, mask)
            else:
                filled = self._network(torch.cat((known, mask), dim=1))
            # As it was trained: its critic saw the hole filled, in the picture as it was.
            filled = known + filled * mask
        return (filled[0].permute(1, 2, 0) * 255).float().cpu().numpy()


def load_safetensors(path: Path, device: str) -> Lama:
    """Load the generator's weights.

    Raises:
        UnusableModel: The file holds other layers.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights = load_file(path, device="cpu")
        weights = {name.removeprefix(_PREFIX): value for name, value in weights.items()}
        inner = weights["model.5.conv1.ffc.convl2l.weight"].shape[0]
        width = weights["model.1.ffc.convl2l.weight"].shape[0]
        blocks = sum(name.endswith(".conv1.ffc.convl2l.weight") for name in weights)
        with torch.device("meta"):
            network = Generator(width, blocks, 1 - inner / (width * 2**_DOWNSAMPLINGS))
        network.load_state_dict(weights, strict=True, assign=True)
    except (SafetensorError, KeyError, RuntimeError) as error:
        raise UnusableModel(
            f"The file {path.name} does not hold the layers of a LaMa generator.", field="model"
        ) from error
    return Lama(network.to(device).eval(), device, is_script=False)


def load_torchscript(path: Path, device: str, *, trusted: bool) -> Lama:
    """Load a TorchScript export.

    Raises:
        UnusableModel: It is not declared as trusted, or is none.
    """
    if not trusted:
        raise UnusableModel(
            f"The model's file {path.name} is TorchScript, which is code.",
            field="model",
            hint="Use a safetensors model, or declare this one with trust_code = true under "
            "[model.options].",
        )
    try:
        network: Any = torch.jit.load(path, map_location=device)
    except RuntimeError as error:
        raise UnusableModel(
            f"The file {path.name} cannot be read as TorchScript.", field="model"
        ) from error
    return Lama(network.eval(), device, is_script=True)
