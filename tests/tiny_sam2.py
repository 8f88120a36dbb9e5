"""A small, random Segment Anything 2 of the real classes, in a folder as hubs keep it."""

from pathlib import Path

import torch

SIDE_PX = 128


def make(folder: Path) -> Path:
    """Make the model's files, the same ones each time."""
    from transformers import (
        Sam2Config,
        Sam2HieraDetConfig,
        Sam2MaskDecoderConfig,
        Sam2Model,
        Sam2PromptEncoderConfig,
        Sam2VisionConfig,
    )

    torch.manual_seed(0)
    backbone = Sam2HieraDetConfig(
        hidden_size=8,
        num_attention_heads=1,
        image_size=[SIDE_PX, SIDE_PX],
        window_positional_embedding_background_size=[7, 7],
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[8, 16, 32, 64],
        num_attention_heads_per_stage=[1, 1, 1, 1],
        window_size_per_stage=[8, 4, 4, 2],
        global_attention_blocks=[3],
    )
    vision = Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=[64, 32, 16, 8],
        backbone_feature_sizes=[[SIDE_PX // 4] * 2, [SIDE_PX // 8] * 2, [SIDE_PX // 16] * 2],
        fpn_hidden_size=32,
    )
    model = Sam2Model(
        Sam2Config(
            vision_config=vision,
            prompt_encoder_config=Sam2PromptEncoderConfig(hidden_size=32, image_size=SIDE_PX),
            mask_decoder_config=Sam2MaskDecoderConfig(
                hidden_size=32,
                mlp_dim=64,
                num_attention_heads=2,
                iou_head_hidden_dim=32,
                iou_head_depth=2,
            ),
        )
    )
    folder.mkdir(parents=True)
    model.save_pretrained(folder, safe_serialization=True)
    return folder


def declaration(weights: Path) -> str:
    """Return the TOML that declares the model as a folder of the user's own."""
    return (
        '[[model]]\nname = "tiny-sam2"\nversion = "1"\nlicence = "Apache-2.0"\n'
        'commercial_use = true\nserves = ["mask-segmenter"]\nengine = "sam2"\nrank = 90\n'
        f'memory_mib = 8\nsource = "folder:{weights}"\nfiles = [{{ path = "./", from = ["*"] }}]\n'
    )
