"""Small, random inpainting models of the real classes, in folders as hubs keep them."""

import json
from pathlib import Path
from typing import Any

import torch

WORDS = ("a", "an", "the", "red", "blue", "house", "tree", "sky")


def clip_tokenizer() -> Any:
    from transformers import CLIPTokenizer

    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{one}</w>" for one in letters)]
    return CLIPTokenizer(
        vocab={token: number for number, token in enumerate(tokens)},
        merges=[],
        model_max_length=77,
    )


def clip_config(width: int = 32) -> Any:
    from transformers import CLIPTextConfig

    return CLIPTextConfig(
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
        hidden_size=width,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
        projection_dim=width,
        vocab_size=100,
    )


def autoencoder(latents: int = 4) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(16, 32),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=latents,
        norm_num_groups=8,
        sample_size=64,
        shift_factor=0.05 if latents == 16 else None,
        use_quant_conv=latents == 4,
        use_post_quant_conv=latents == 4,
    )


def unet(cross: int, **more: Any) -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        block_out_channels=(16, 32),
        layers_per_block=1,
        norm_num_groups=8,
        sample_size=32,
        in_channels=9,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=cross,
        **more,
    )


def stable_diffusion(folder: Path) -> None:
    from diffusers import DDIMScheduler, StableDiffusionInpaintPipeline
    from transformers import CLIPTextModel

    pipeline = StableDiffusionInpaintPipeline(
        vae=autoencoder(),
        text_encoder=CLIPTextModel(clip_config()),
        tokenizer=clip_tokenizer(),
        unet=unet(32, attention_head_dim=8),
        scheduler=DDIMScheduler(steps_offset=1, clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder, safe_serialization=True)


def stable_diffusion_xl(folder: Path) -> None:
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLInpaintPipeline
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    pipeline = StableDiffusionXLInpaintPipeline(
        vae=autoencoder(),
        text_encoder=CLIPTextModel(clip_config()),
        text_encoder_2=CLIPTextModelWithProjection(clip_config()),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        unet=unet(
            64,
            attention_head_dim=(2, 4),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            transformer_layers_per_block=(1, 2),
            projection_class_embeddings_input_dim=80,
        ),
        scheduler=EulerDiscreteScheduler(steps_offset=1, timestep_spacing="leading"),
    )
    pipeline.save_pretrained(folder, safe_serialization=True)


def t5_tokenizer() -> Any:
    from transformers import T5TokenizerFast

    pieces = ["<pad>", "</s>", "<unk>", "▁", *(f"▁{word}" for word in WORDS)]
    return T5TokenizerFast(
        vocab=[(piece, -float(number)) for number, piece in enumerate(pieces)], extra_ids=0
    )


def flux_fill(folder: Path) -> None:
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxFillPipeline, FluxTransformer2DModel
    from transformers import CLIPTextModel, T5Config, T5EncoderModel

    # Of 2 x 2 latents: the noisy ones, the masked picture's, and the mask's 8 x 8 pixels for each.
    latents = 16
    scale = 2
    pipeline = FluxFillPipeline(
        vae=autoencoder(latents),
        text_encoder=CLIPTextModel(clip_config()),
        text_encoder_2=T5EncoderModel(
            T5Config(vocab_size=64, d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4)
        ),
        tokenizer=clip_tokenizer(),
        tokenizer_2=t5_tokenizer(),
        transformer=FluxTransformer2DModel(
            patch_size=1,
            in_channels=4 * (2 * latents + scale**2),
            out_channels=4 * latents,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=32,
            axes_dims_rope=(4, 4, 8),
            guidance_embeds=True,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(),
    )
    pipeline.save_pretrained(folder, safe_serialization=True)


def lama_safetensors(folder: Path) -> None:
    from safetensors.torch import save_file

    from studio_pipelines.models.lama import Generator

    weights = {f"generator.{k}": v for k, v in Generator(8, 2).state_dict().items()}
    save_file(weights, folder / "lama.safetensors")


def lama_torchscript(folder: Path) -> None:
    from studio_pipelines.models.lama import Generator

    class Export(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.generator = Generator(8, 2)

        def forward(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            given = torch.cat((image * (1 - mask), mask), dim=1)
            return mask * self.generator(given) + (1 - mask) * image

    export = Export().eval()
    arguments = torch.rand(1, 3, 64, 64), torch.ones(1, 1, 64, 64)
    torch.jit.trace(export, arguments).save(folder / "lama.pt")


MAKERS = {
    "tiny-sd": (stable_diffusion, "diffusers"),
    "tiny-sdxl": (stable_diffusion_xl, "diffusers"),
    "tiny-flux": (flux_fill, "diffusers"),
    "tiny-lama": (lama_safetensors, "lama"),
    "tiny-lama-script": (lama_torchscript, "lama"),
}


def make(name: str, folder: Path) -> Path:
    """Make a model's files, the same ones each time."""
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    MAKERS[name][0](folder)
    return folder


def declaration(name: str, weights: Path, **options: Any) -> str:
    """Return the TOML that declares the model as a folder of the user's own."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in options.items()]
    return (
        f'[[model]]\nname = "{name}"\nversion = "1"\nlicence = "Apache-2.0"\n'
        f'commercial_use = true\nserves = ["inpaint-model"]\nengine = "{MAKERS[name][1]}"\n'
        f'memory_mib = 8\nsource = "folder:{weights}"\nfiles = [{{ path = "./", from = ["*"] }}]\n'
        + "\n".join(["[model.options]", *lines])
    )
