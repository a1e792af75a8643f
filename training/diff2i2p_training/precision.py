# SPDX-License-Identifier: Apache-2.0
"""Which numbers a network is trained in."""

import torch


def bfloat16_pays(device: str) -> bool:
    """Whether a device has instructions for bfloat16: a CPU without them is far slower than in
    float32."""
    capabilities = torch.cpu.get_capabilities() if device == "cpu" else {}
    return device != "cpu" or any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))
