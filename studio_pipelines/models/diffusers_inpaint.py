"""Inpainting pipelines of diffusers: Stable Diffusion, Stable Diffusion XL, FLUX Fill.

Weights are read from a folder, as safetensors only, without a network.
"""

import importlib
import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from studio_pipelines.errors import InvalidParameter, UnusableModel
from studio_pipelines.media.inpaint_settings import DiffusionSettings

_Floats = NDArray[np.float32]
_Mask = NDArray[np.bool_]
OnPreview = Callable[[_Floats], object]

PIPELINES: Final = (
    "StableDiffusionInpaintPipeline",
    "StableDiffusionXLInpaintPipeline",
    "FluxFillPipeline",
)
_LIBRARIES: Final = (None, "diffusers", "transformers", "stable_diffusion")
_PREVIEW_LATENTS: Final = 32
_PREVIEWS: Final = 5
_LEAST_MULTIPLE_PX: Final = 8
_NAMES: Final = {
    "prompt": "prompt",
    "negative_prompt": "negativePrompt",
    "guidance_scale": "guidance",
    "strength": "strength",
    "num_inference_steps": "steps",
}


def load_pipeline(folder: Path, device: str) -> Any:
    """Load a pipeline of diffusers' own classes.

    Raises:
        UnusableModel: The folder holds no pipeline of a known class, or no safetensors.
    """
    diffusers: Any = importlib.import_module("diffusers")
    for library in ("diffusers", "transformers"):
        importlib.import_module(f"{library}.utils.logging").disable_progress_bar()
    try:
        index = json.loads((folder / "model_index.json").read_text())
        name = index["_class_name"]
    except (OSError, ValueError, KeyError) as error:
        raise UnusableModel(
            "The model's folder holds no model_index.json of a pipeline.", field="model"
        ) from error
    if name not in PIPELINES:
        raise UnusableModel(
            f"The model is a {name}; inpainting takes {', '.join(PIPELINES)}.", field="model"
        )
    _require_known_libraries(index)
    # Halves a GPU's memory and its time; CPUs compute slower in it.
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    options: dict[str, Any] = {} if name.startswith("Flux") else {"safety_checker": None}
    if name.startswith("StableDiffusionXL"):
        options = {"add_watermarker": False}
    try:
        pipeline = getattr(diffusers, name).from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=dtype, **options
        )
    except OSError as error:
        raise UnusableModel(
            f"The model's files cannot be loaded: {_first_line(error)}",
            field="model",
            hint="Weights are to be safetensors, each component in its folder.",
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def _require_known_libraries(index: Mapping[str, Any]) -> None:
    """Refuse an index that has a component made by another library, or by code in the folder.

    diffusers imports whatever library an index names.
    """
    for component, made_by in index.items():
        if isinstance(made_by, list) and made_by and made_by[0] not in _LIBRARIES:
            raise UnusableModel(
                f"The model's {component} is to be made by {str(made_by[0])[:60]!r}, not by "
                "diffusers or transformers.",
                field="model",
                hint="Code that comes with a model is not run.",
            )


def native_side_px(pipeline: Any) -> int:
    """Return the side of the pictures that the pipeline was trained on."""
    size = getattr(pipeline, "default_sample_size", None)
    if size is None:
        size = pipeline.unet.config.sample_size
    return int(size) * int(pipeline.vae_scale_factor)


def multiple_px(pipeline: Any) -> int:
    """Return what both sides of a picture have to be multiples of."""
    packed = 2 if hasattr(pipeline, "transformer") else 1
    return max(_LEAST_MULTIPLE_PX, int(pipeline.vae_scale_factor) * packed)


def diffuse(
    pipeline: Any,
    colours: _Floats,
    hole: _Mask,
    settings: DiffusionSettings,
    *,
    report: Callable[[float], object] = lambda _: None,
    on_preview: OnPreview | None = None,
) -> _Floats:
    """Fill a hole by denoising it; an interrupt stops it between two layers.

    Args:
        pipeline: From :func:`load_pipeline`.
        colours: (height, width, 3) 8-bit code values, both sides multiples of
            :func:`multiple_px`.
        hole: (height, width), white in the pipeline's mask.
        settings: What is asked for.
        report: Told the share that is done, after each step.
        on_preview: Given small pictures, (height, width, 3) code values, of the result so far.

    Returns:
        Of the colours' shape; outside the hole it need not equal them.

    Raises:
        InvalidParameter: The pipeline does not know one of the settings.
    """
    height, width = hole.shape
    arguments = _arguments(pipeline, settings)
    image = torch.from_numpy(colours / 255).permute(2, 0, 1)[None]
    mask = torch.from_numpy(hole.astype(np.float32))[None, None]

    def on_step(_pipeline: Any, step: int, _time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        steps = max(1, int(pipeline.num_timesteps))
        report((step + 1) / steps)
        if on_preview is not None and (step + 1) % max(1, steps // _PREVIEWS) == 0:
            on_preview(_small_picture(pipeline, tensors["latents"], height, width))
        return tensors

    with torch.inference_mode():
        found = pipeline(
            image=image,
            mask_image=mask,
            height=height,
            width=width,
            generator=torch.Generator("cpu").manual_seed(settings.seed),
            output_type="np",
            callback_on_step_end=on_step,
            **arguments,
        )
    return np.asarray(found.images[0], np.float32) * 255


def _arguments(pipeline: Any, settings: DiffusionSettings) -> Mapping[str, Any]:
    asked = {
        "prompt": settings.prompt,
        "negative_prompt": settings.negative_prompt,
        "num_inference_steps": settings.steps,
        "guidance_scale": settings.guidance,
        "strength": settings.strength,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    known = inspect.signature(pipeline.__call__).parameters
    for name in given:
        if name not in known:
            raise InvalidParameter(
                f"The model takes no {_NAMES[name]}.", field=_NAMES[name], hint="Leave it out."
            )
    steps, strength = settings.steps, settings.strength
    if steps is not None and strength is not None and int(steps * strength) < 1:
        raise InvalidParameter(
            f"{steps} steps at strength {strength} leave none to do.",
            field="steps",
            hint="Raise one of them: steps times strength must be 1 or more.",
        )
    return given


def _small_picture(pipeline: Any, latents: Any, height: int, width: int) -> _Floats:
    """Decode latents that were made small first: blurred, and cheap."""
    vae = pipeline.vae
    if latents.ndim == 3:
        latents = pipeline._unpack_latents(latents, height, width, pipeline.vae_scale_factor)  # noqa: SLF001  the pipeline's own last step
    scale = min(1.0, _PREVIEW_LATENTS / max(latents.shape[-2:]))
    if scale < 1:
        latents = torch.nn.functional.interpolate(latents, scale_factor=scale, mode="area")
    shift = getattr(vae.config, "shift_factor", None) or 0
    latents = (latents / vae.config.scaling_factor + shift).to(vae.dtype)
    picture = vae.decode(latents, return_dict=False)[0][0].float().clamp(-1, 1)
    return ((picture + 1) * 127.5).permute(1, 2, 0).cpu().numpy()


def _first_line(error: Exception) -> str:
    # What follows the first colon may name folders of this machine.
    return str(error).strip().split("\n", 1)[0].split(":", 1)[0].split("/", 1)[0]
