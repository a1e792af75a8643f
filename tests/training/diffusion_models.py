# SPDX-License-Identifier: Apache-2.0
"""Tiny diffusion models of the shapes that the real ones have, made here, without any download."""

import json
import string

import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    DDIMScheduler,
    StableDiffusionControlNetPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

WORDS = 16  # width of the text embedding


def tiny_stable_diffusion(folder) -> StableDiffusionControlNetPipeline:
    """All the parts of Stable Diffusion 1.5 with a depth ControlNet, small and random; a latent pixel is 4 x 4 image pixels."""
    torch.manual_seed(0)
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3, block_out_channels=(8, 8, 8),
        latent_channels=4, norm_num_groups=4, sample_size=64,
    )  # fmt: skip
    text = CLIPTextConfig(
        vocab_size=64,
        hidden_size=WORDS,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        bos_token_id=0,
        eos_token_id=1,
    )
    unet = UNet2DConditionModel(
        sample_size=16, in_channels=4, out_channels=4, block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=WORDS, attention_head_dim=4,
    )  # fmt: skip
    controlnet = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(8, 8, 8))
    for part in (
        controlnet.controlnet_cond_embedding.conv_out,
        *controlnet.controlnet_down_blocks,
        controlnet.controlnet_mid_block,
    ):
        torch.nn.init.normal_(
            part.weight, std=0.3
        )  # zero where training begins, so that the control would say nothing
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )
    return StableDiffusionControlNetPipeline(
        vae,
        CLIPTextModel(text),
        tiny_tokenizer(folder),
        unet,
        controlnet,
        scheduler,
        None,
        None,
        requires_safety_checker=False,
    )


def tiny_tokenizer(folder) -> CLIPTokenizer:
    """Letters are its only words."""
    letters = [letter + end for letter in string.ascii_lowercase for end in ("", "</w>")]
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, ",</w>"]
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77
    )
