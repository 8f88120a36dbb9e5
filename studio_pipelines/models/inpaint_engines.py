"""How an installed inpainting model is loaded, and what fills holes with it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from studio_pipelines.errors import UnusableModel
from studio_pipelines.media.inpaint_settings import DiffusionSettings
from studio_pipelines.media.inpainting import Filler, Report
from studio_pipelines.models.diffusers_inpaint import (
    OnPreview,
    diffuse,
    load_pipeline,
    multiple_px,
    native_side_px,
)
from studio_pipelines.models.lama import MULTIPLE_PX, Lama, load_safetensors, load_torchscript
from studio_pipelines.models.network_filler import NetworkFiller

# LaMa was trained at 256 and holds up to about this; larger holes it fills with repetitions.
_LAMA_SIDE_PX: Final = 1024


@dataclass(frozen=True)
class LamaEngine:
    """LaMa, from the first safetensors or TorchScript file of its folder."""

    trust_code: bool = False

    def load(self, folder: Path, device: str) -> Any:
        """Load the network.

        Raises:
            UnusableModel: There is no file to load, or it holds something else or untrusted code.
        """
        for path in sorted(folder.glob("*.safetensors")):
            return load_safetensors(path, device)
        for path in sorted(folder.glob("*.pt")):
            return load_torchscript(path, device, trusted=self.trust_code)
        raise UnusableModel(
            "The model's folder holds no .safetensors and no .pt file.", field="model"
        )

    def filler(self, model: Lama, _settings: DiffusionSettings, _preview: OnPreview) -> Filler:
        """Return what fills holes with the loaded network."""

        def infer(
            colours: NDArray[np.float32], hole: NDArray[np.bool_], report: Report
        ) -> NDArray[np.float32]:
            filled = model.fill(colours, hole)
            report(1.0)
            return filled

        return NetworkFiller(infer, _LAMA_SIDE_PX, MULTIPLE_PX)


@dataclass(frozen=True)
class DiffusersEngine:
    """A pipeline of diffusers, from its folder."""

    def load(self, folder: Path, device: str) -> Any:
        """Load the pipeline.

        Raises:
            UnusableModel: The folder holds no pipeline that inpaints.
        """
        return load_pipeline(folder, device)

    def filler(self, model: Any, settings: DiffusionSettings, on_preview: OnPreview) -> Filler:
        """Return what fills holes with the loaded pipeline."""

        def infer(
            colours: NDArray[np.float32], hole: NDArray[np.bool_], report: Report
        ) -> NDArray[np.float32]:
            return diffuse(model, colours, hole, settings, report=report, on_preview=on_preview)

        side_px = native_side_px(model)
        # At full strength the hole begins as noise, up to rounding; that is taken at its word.
        sees_hole = settings.strength is not None and settings.strength < 1
        return NetworkFiller(infer, side_px, multiple_px(model), enlarges=True, sees_hole=sees_hole)


Engine = LamaEngine | DiffusersEngine


def engine_of(name: str, options: Mapping[str, Any]) -> Engine:
    """Return the engine that a declaration names.

    Raises:
        UnusableModel: There is no such engine.
    """
    engines: dict[str, Callable[[], Engine]] = {
        "lama": lambda: LamaEngine(trust_code=bool(options.get("trust_code", False))),
        "diffusers": DiffusersEngine,
    }
    if name not in engines:
        raise UnusableModel(
            f"The model's engine is {name!r}; inpainting has {', '.join(engines)}.", field="model"
        )
    return engines[name]()
