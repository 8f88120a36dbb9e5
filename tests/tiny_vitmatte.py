"""A small, random ViTMatte of the real class, in a folder as hubs keep it."""

from pathlib import Path

import torch


def make(folder: Path) -> Path:
    """Save a network of a few thousand weights; return its folder."""
    from transformers import VitDetConfig, VitMatteConfig, VitMatteForImageMatting

    torch.manual_seed(0)
    backbone = VitDetConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        mlp_ratio=2,
        image_size=64,
        pretrain_image_size=64,
        patch_size=16,
        num_channels=4,
        window_size=2,
        window_block_indices=[0],
        residual_block_indices=[1],
        use_absolute_position_embeddings=True,
        use_relative_position_embeddings=True,
        out_features=["stage2"],
    )
    config = VitMatteConfig(
        backbone_config=backbone,
        hidden_size=32,
        convstream_hidden_sizes=[8, 12, 16],
        fusion_hidden_sizes=[32, 16, 12, 8],
    )
    VitMatteForImageMatting(config).save_pretrained(folder)
    return folder


def declaration(folder: Path) -> str:
    """Declare it as a user would."""
    return f"""
[[model]]
name = "tiny-vitmatte"
version = "1"
licence = "MIT"
commercial_use = true
serves = ["vfx-compositor"]
role = "trimap"
engine = "vitmatte"
memory_mib = 5
source = "folder:{folder}"
files = [{{ path = "./", from = ["*.json", "*.safetensors"] }}]
"""
