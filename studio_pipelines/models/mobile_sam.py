"""MobileSAM: Segment Anything with a small encoder, for CPUs.

Kirillov et al., *Segment Anything* (ICCV 2023); Zhang et al., *Faster Segment Anything* (2023). The
networks come as two ONNX files. The decoder was exported for one prompt and one mask; when it is
pulled it is opened for many prompts at a time, each with all of its masks.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from studio_pipelines.errors import UnusableModel

_Floats = NDArray[np.float32]

SIDE_PX: Final = 1024
MASK_CELLS: Final = 256
_ENCODER, _DECODER = "encoder.onnx", "decoder.onnx"
_EXPORTED: Final = "sam.onnx"
_EMBEDDING: Final = "embedding"
# Of ImageNet, in 8-bit code values, as Segment Anything was trained with.
_MEAN: Final = np.array([123.675, 116.28, 103.53], np.float32)
_SPREAD: Final = np.array([58.395, 57.12, 57.375], np.float32)
# The export's own names of values.
_MASKS, _SCORES = "/Reshape_9_output_0", "/iou_prediction_head/layers.2/Gemm_output_0"
_INPUTS: Final = (
    "image_embeddings",
    "point_coords",
    "point_labels",
    "mask_input",
    "has_mask_input",
)
# It copies the picture's embedding and its positions for each prompt before anything is computed.
# Uncopied they are spread where they meet the prompts, and what depends on the picture alone is
# computed once for all of them.
_UNCOPIED: Final = {
    "/Reshape_3_output_0": "image_embeddings",
    "/Reshape_6_output_0": "/Unsqueeze_1_output_0",
}
_COUNT_OF_PROMPTS: Final = "/Unsqueeze_5_output_0"


def convert(source: Path, target: Path) -> None:
    """Take the encoder as it is, and open the decoder for many prompts with all their masks.

    Raises:
        UnusableModel: The decoder is not the export that this was written for.
    """
    import onnx

    shutil.copyfile(source / _ENCODER, target / _ENCODER)
    try:
        onnx.save(opened_decoder(onnx.load(source / _EXPORTED)), target / _DECODER)
    except (ValueError, KeyError, onnx.checker.ValidationError) as error:
        raise UnusableModel(
            f"The file {_EXPORTED} does not hold the decoder that was expected.", field="model"
        ) from error


def opened_decoder(model: Any) -> Any:
    """Return an exported decoder, an ONNX model, opened for many prompts with all their masks.

    Raises:
        ValueError: It lacks a value that the export is known to have.
    """
    from onnx import TensorProto, checker, helper, numpy_helper
    from onnx.utils import Extractor

    graph = model.graph
    renamed = {**_UNCOPIED, _COUNT_OF_PROMPTS: "any_count"}
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = renamed.get(name, name)
    any_count = numpy_helper.from_array(np.array([-1], np.int64))
    graph.node.insert(0, helper.make_node("Constant", [], ["any_count"], value=any_count))
    shapes = {_MASKS: ["prompts", 4, MASK_CELLS, MASK_CELLS], _SCORES: ["prompts", 4]}
    for name, shape in shapes.items():
        graph.value_info.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    opened = Extractor(model).extract_model(list(_INPUTS), [_MASKS, _SCORES])
    for value in opened.graph.input:
        if value.name in ("point_coords", "point_labels"):
            value.type.tensor_type.shape.dim[0].dim_param = "prompts"
    checker.check_model(opened)
    return opened


class MobileSam:
    """Both networks, ready to run on the CPU."""

    side_px = SIDE_PX
    mask_cells = MASK_CELLS
    keeps_shape = True
    prompts_at_a_time = 4

    def __init__(self, folder: Path) -> None:
        """Load the networks from a model's folder."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = len(os.sched_getaffinity(0))
        # Threads that wait by turning would take the cores of the other workers.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._encoder, self._decoder = (
            onnxruntime.InferenceSession(
                str(folder / name), options, providers=["CPUExecutionProvider"]
            )
            for name in (_ENCODER, _DECODER)
        )
        self._run_options = onnxruntime.RunOptions()

    def encode(self, colours: NDArray[np.uint8]) -> dict[str, _Floats]:
        """Return what the decoder needs to know of a picture.

        Args:
            colours: sRGB code values, shape (height, width, 3), the longer side 1024 pixels.

        Returns:
            One array of shape (1, 256, 64, 64).
        """
        self._run_options = onnxruntime.RunOptions()
        seen = np.zeros((1, 3, SIDE_PX, SIDE_PX), np.float32)
        height, width = colours.shape[:2]
        seen[0, :, :height, :width] = ((colours - _MEAN) / _SPREAD).transpose(2, 0, 1)
        (found,) = self._encoder.run(None, {"input": seen}, self._run_options)
        return {_EMBEDDING: np.asarray(found)}

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
            points: (prompts, points, 2), x before y, in pixels of the 1024 x 1024 that it saw.
            labels: (prompts, points): 1 inside, 0 outside, 2 and 3 a box's first and last corner.
            logits: (256, 256) a mask to begin from, as this returns it, or None.
            several: Whether a prompt could mean a part or the whole: then each has three masks,
                else one.

        Returns:
            Logits (prompts, masks, 256, 256), positive inside; and, (prompts, masks), how well each
            overlaps with what is meant, by the network's own estimate.
        """
        self._run_options = onnxruntime.RunOptions()
        if not (labels == 2).any():
            # The decoder was trained with an empty point where there is no box.
            points = np.pad(points, ((0, 0), (0, 1), (0, 0)))
            labels = np.pad(labels, ((0, 0), (0, 1)), constant_values=-1)
        begun = np.zeros((1, 1, MASK_CELLS, MASK_CELLS), np.float32)
        if logits is not None:
            begun[0, 0] = logits
        given = {
            "image_embeddings": known[_EMBEDDING],
            "point_coords": points,
            "point_labels": labels,
            "mask_input": begun,
            "has_mask_input": np.array([logits is not None], np.float32),
        }
        masks, scores = self._decoder.run(None, given, self._run_options)
        taken = slice(1, None) if several else slice(0, 1)
        return np.asarray(masks)[:, taken], np.asarray(scores)[:, taken]

    def stop(self) -> None:
        """Make what runs in another thread end soon, with an error."""
        self._run_options.terminate = True
