# SPDX-License-Identifier: Apache-2.0
"""The released network on synthetic weights: what its unmodified sources computed, and the rule that makes its tensors."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "reference" / "parity"
needs_reference = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"no reference outputs in {FOLDER}"
)

_RADIUS = {  # metres, of each point convolution
    "encoder1_1": 0.0625, "encoder1_2": 0.0625, "encoder2_1": 0.0625, "encoder2_2": 0.125, "encoder2_3": 0.125, "encoder3_1": 0.125,
    "encoder3_2": 0.25, "encoder3_3": 0.25, "encoder4_1": 0.25, "encoder4_2": 0.5, "encoder4_3": 0.5,
}  # fmt: skip
_SHIFTED = "img_backbone.decoder1_2.0.norm.bias", "pcd_backbone.decoder1.norm.norm.bias"
_SHARED = "img_backbone.out_proj.conv.bias", "pcd_backbone.out_proj.bias"


def keys(case: str) -> list[list]:
    """[name, shape, kind, crc, sum, first three values] of every tensor of case `mono` or `rgbd`."""
    return json.loads((FOLDER / "state_dict_keys.json").read_text())["cases"][case]


def tensors(case: str) -> dict[str, torch.Tensor]:
    """The synthetic state of the released network."""
    return {name: torch.from_numpy(tensor_for(name, shape)) for name, shape, *_ in keys(case)}


def noise(name: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))


def probe(channels: int) -> np.ndarray:
    """The vector (C,) that the reference contracted all channels with."""
    return noise(f"probe_{channels}").standard_normal(channels) / np.sqrt(channels)


def tensor_for(name: str, shape) -> np.ndarray:
    """The rule of the reference's README: a tensor depends on its name and shape alone."""
    x = noise(name).standard_normal(shape)
    if name.endswith(".kernel_points"):
        x *= 0.66 * _RADIUS[name.split(".")[1]] / np.sqrt((x * x).sum(1, keepdims=True))
        x[0] = 0.0
    elif name.endswith(".weights"):
        x /= np.sqrt(shape[1])
    elif len(shape) >= 2:
        x *= _gain(name) / np.sqrt(np.prod(shape[1:]))
    elif name.endswith("norm.weight"):
        x = 1.0 + 0.1 * x
    else:
        x = 0.05 * x - 0.6 * (name.endswith(".unary1.norm.norm.bias") or name in _SHIFTED)
        if name in _SHARED:
            x += 0.25 * noise("fine_shared_bias").standard_normal(shape)
    return x.astype(np.float32)


def _gain(name: str) -> float:
    if "emb_proj" in name:
        return 2.0
    if "in_proj" in name:
        return 0.5
    return 0.3 if "attention.linear" in name or "output.squeeze" in name else 1.0
