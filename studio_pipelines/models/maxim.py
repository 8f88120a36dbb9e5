"""MAXIM, retouching: makes of a photograph what a retoucher would.

Tu et al., *MAXIM: Multi-Axis MLP for Image Processing* (CVPR 2022), trained on the pictures that
retoucher C of MIT-Adobe FiveK made (Bychkovsky et al., CVPR 2011). The network comes as a
TensorFlow.js graph, and is turned into ONNX when it is pulled.
"""

import os
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

SIDE_PX: Final = 256
"""The one size of picture that the converted network takes: that of its training."""

_NETWORK: Final = "maxim.onnx"


def convert(source: Path, target: Path) -> None:
    """Turn ``model.json`` and ``weights.bin`` of one folder into the other's ``maxim.onnx``.

    Raises:
        UnusableModel: The graph is not the one that this was written for.
    """
    from studio_pipelines.models.tfjs_graph import read_graph
    from studio_pipelines.models.tfjs_onnx import to_onnx

    description, weights = source / "model.json", source / "weights.bin"
    graph = read_graph(description.read_bytes(), weights.read_bytes())
    model = to_onnx(graph, (1, SIDE_PX, SIDE_PX, 3))
    (target / _NETWORK).write_bytes(model.SerializeToString())


class Maxim:
    """The network, ready to run on the CPU."""

    def __init__(self, folder: Path) -> None:
        """Load the network from a model's folder."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = len(os.sched_getaffinity(0))
        # Threads that wait by turning would take the cores of the other workers.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(folder / _NETWORK), options, providers=["CPUExecutionProvider"]
        )
        self._run_options = onnxruntime.RunOptions()

    def retouch(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Retouch a small picture.

        Args:
            codes: sRGB code values, 0 to 1, shape (256, 256, 3).

        Returns:
            The retouched code values, 0 to 1, of the same shape.
        """
        self._run_options = onnxruntime.RunOptions()
        (result,) = self._session.run(None, {"input": codes[None]}, self._run_options)
        return np.clip(np.asarray(result)[0], 0, 1)

    def stop(self) -> None:
        """Make a retouching that runs in another thread end soon, with an error."""
        self._run_options.terminate = True
