"""Small, random depth networks of the real classes, in folders as hubs keep them."""

from pathlib import Path

import torch


def depth_anything(folder: Path, kind: str = "relative", most_m: int = 20) -> Path:
    """Save a Depth Anything of a few thousand weights, with its processor; return its folder."""
    from transformers import (
        DepthAnythingConfig,
        DepthAnythingForDepthEstimation,
        Dinov2Config,
        DPTImageProcessorPil,
    )

    torch.manual_seed(0)
    backbone = Dinov2Config(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        mlp_ratio=2,
        image_size=70,
        patch_size=14,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        patch_size=14,
        reassemble_hidden_size=32,
        neck_hidden_sizes=[8, 12, 16, 24],
        fusion_hidden_size=16,
        head_hidden_size=8,
        depth_estimation_type=kind,
        max_depth=most_m if kind == "metric" else 1,
    )
    model = DepthAnythingForDepthEstimation(config)
    # As they are begun, the weights give nearly one value everywhere.
    for module in (*model.neck.modules(), *model.head.modules()):
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
    torch.nn.init.constant_(model.head.conv3.bias, 0.5)
    model.save_pretrained(folder)
    DPTImageProcessorPil(
        size={"height": 518, "width": 518},
        keep_aspect_ratio=True,
        ensure_multiple_of=14,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    ).save_pretrained(folder)
    return folder


def depth_pro(folder: Path) -> Path:
    """Save a Depth Pro of a few thousand weights; return its folder."""
    from transformers import DepthProConfig, DepthProForDepthEstimation

    torch.manual_seed(0)
    vit = {
        "model_type": "dinov2",
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "mlp_ratio": 2,
        "image_size": 32,
        "patch_size": 4,
        "use_mask_token": False,
    }
    config = DepthProConfig(
        fusion_hidden_size=8,
        patch_size=32,
        intermediate_hook_ids=[1, 0],
        intermediate_feature_dims=[8, 8],
        scaled_images_ratios=[0.25, 0.5, 1],
        scaled_images_overlap_ratios=[0.0, 0.5, 0.25],
        scaled_images_feature_dims=[16, 8, 8],
        image_model_config=vit,
        patch_model_config=vit,
        fov_model_config=vit,
        use_fov_model=True,
        num_fov_head_layers=2,
    )
    model = DepthProForDepthEstimation(config)
    *_, last = [one for one in model.fov_model.modules() if isinstance(one, torch.nn.Conv2d)]
    torch.nn.init.constant_(last.bias, 50.0)  # degrees; it begins near none
    model.save_pretrained(folder)
    return folder


def declaration(folder: Path, engine: str, role: str = "main") -> str:
    """Declare one as a user would."""
    return f"""
[[model]]
name = "tiny-{engine}-{role}"
version = "1"
licence = "MIT"
commercial_use = true
serves = ["depth-estimator"]
role = "{role}"
rank = 1
engine = "{engine}"
memory_mib = 5
source = "folder:{folder}"
files = [{{ path = "./", from = ["*.json", "*.safetensors"] }}]
"""
