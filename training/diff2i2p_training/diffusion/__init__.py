# SPDX-License-Identifier: Apache-2.0
"""The diffusion prior: its training, and the control-side score distillation that it serves."""
