"""Networks that find what a picture shows, and tell it from its background.

- ISNet: Qin et al., *Highly Accurate Dichotomous Image Segmentation* (ECCV 2022).
- U²-Net: Qin et al., *U²-Net: Going Deeper with Nested U-Structure for Salient Object Detection*
  (Pattern Recognition 106, 2020).
- BiRefNet: Zheng et al., *Bilateral Reference for High-Resolution Dichotomous Image Segmentation*
  (CAAI AIR, 2024).

All come as ONNX, take one square picture, and differ in how its values are prepared.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import (
    onnxruntime_pybind11_state as onnx_errors,  # pyright: ignore[reportAttributeAccessIssue]
)

from studio_pipelines.errors import UnusableModel

_DEFAULT_SIDE_PX: Final = 1024
_UNREADABLE: Final = (  # they have no base of their own
    *(onnx_errors.Fail, onnx_errors.InvalidArgument, onnx_errors.InvalidGraph),
    *(onnx_errors.InvalidProtobuf, onnx_errors.NoSuchFile, onnx_errors.NotImplemented),
    onnx_errors.RuntimeException,
)
_Triple = tuple[float, float, float]
_ISNET_MEAN: Final = (128 / 255, 128 / 255, 128 / 255)
_ISNET_SPREAD: Final = (256 / 255, 256 / 255, 256 / 255)
_IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
_IMAGENET_SPREAD: Final = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class Preparation:
    """What a network wants its picture as.

    Attributes:
        mean: Subtracted from the code values, 0 to 1, of red, green and blue.
        spread: What they are divided by then.
        brightest_is_white: Whether the values are first divided by the picture's highest.
        gives_logits: Whether the result has yet to go through the logistic function.
    """

    mean: _Triple
    spread: _Triple
    brightest_is_white: bool = False
    gives_logits: bool = False


PREPARATIONS: Final[Mapping[str, Preparation]] = {
    "isnet": Preparation(_ISNET_MEAN, _ISNET_SPREAD),
    "u2net": Preparation(_IMAGENET_MEAN, _IMAGENET_SPREAD, brightest_is_white=True),
    "birefnet": Preparation(_IMAGENET_MEAN, _IMAGENET_SPREAD, gives_logits=True),
}
"""By the name of the engine in a model's declaration."""


class SubjectNetwork:
    """A network, ready to run on the CPU.

    Attributes:
        side_px: Width and height of the picture that it takes.
    """

    def __init__(
        self, path: Path, preparation: Preparation, side_px: int = _DEFAULT_SIDE_PX
    ) -> None:
        """Load the network from an ONNX file.

        Args:
            path: The file.
            preparation: What its picture has to be made.
            side_px: The size of picture to give a network that takes any.

        Raises:
            UnusableModel: It is no network, or takes something else than a square picture.
        """
        self._preparation = preparation
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = len(os.sched_getaffinity(0))
        # Threads that wait by turning would take the cores of the other workers.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except _UNREADABLE as error:
            raise UnusableModel(
                f"The network {path.name} cannot be read as ONNX, or wants a file from elsewhere.",
                field="model",
                hint="Where its weights are in a file of their own, declare that as well, from the "
                "same folder and under the name that the network has for it.",
            ) from error
        self._run_options = onnxruntime.RunOptions()
        taken = self._session.get_inputs()[0]
        self._input = taken.name
        self._dtype = np.float16 if taken.type == "tensor(float16)" else np.float32
        self._output = self._session.get_outputs()[0].name
        fixed = [size for size in taken.shape[-2:] if isinstance(size, int)]
        if len(taken.shape) != 4 or taken.shape[1] != 3 or len(set(fixed)) > 1:
            raise UnusableModel(
                f"The network {path.name} takes {taken.shape}; it must be a square picture, such "
                f"as [1, 3, {_DEFAULT_SIDE_PX}, {_DEFAULT_SIDE_PX}].",
                field="model",
            )
        self.side_px: int = fixed[0] if fixed else side_px

    def find(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return how surely each pixel belongs to the subject.

        Args:
            codes: sRGB code values, 0 to 1, shape (side_px, side_px, 3); the whole picture,
                whatever its shape was.

        Returns:
            0 to 1, shape (side_px, side_px).
        """
        self._run_options = onnxruntime.RunOptions()
        values = codes
        if self._preparation.brightest_is_white:
            values = values / max(float(codes.max()), 1 / 255)
        mean, spread = (
            np.array(row, np.float32) for row in (self._preparation.mean, self._preparation.spread)
        )
        planes = np.ascontiguousarray(((values - mean) / spread).transpose(2, 0, 1)[None])
        (found,) = self._session.run(
            [self._output], {self._input: planes.astype(self._dtype)}, self._run_options
        )
        shares = np.asarray(found, np.float32).reshape(self.side_px, self.side_px)
        if self._preparation.gives_logits:
            shares = 1 / (1 + np.exp(-np.clip(shares, -40, 40)))
        return np.clip(shares, 0, 1).astype(np.float32)

    def stop(self) -> None:
        """Make a search that runs in another thread end soon, with an error."""
        self._run_options.terminate = True


def load_subject_network(
    folder: Path, engine: str, options: Mapping[str, Any] | None = None
) -> SubjectNetwork:
    """Load the network of a model's folder, its one ONNX file.

    Args:
        folder: The model's files.
        engine: The declaration's, one of :data:`PREPARATIONS`.
        options: The declaration's: ``gives_logits`` where the file differs from its kind, and
            ``side_px`` for one that takes any size.

    Raises:
        UnusableModel: There is no such engine, no file, or it takes other pictures.
    """
    if engine not in PREPARATIONS:
        raise UnusableModel(
            f"The model's engine is {engine!r}; there are {', '.join(PREPARATIONS)}.",
            field="model",
        )
    found = sorted(folder.glob("*.onnx"))
    if not found:
        raise UnusableModel("The model's folder holds no .onnx file.", field="model")
    kind, chosen = PREPARATIONS[engine], options or {}
    return SubjectNetwork(
        found[0],
        replace(kind, gives_logits=bool(chosen.get("gives_logits", kind.gives_logits))),
        int(chosen.get("side_px", _DEFAULT_SIDE_PX)),
    )
