"""The frozen base model in 4 bits, by bitsandbytes, with adapters on top (QLoRA, arXiv 2305.14314)."""

from __future__ import annotations

import torch
from torch import nn
from transformers import BitsAndBytesConfig

from configuration.learner import check_packages


def nf4(dtype: torch.dtype) -> BitsAndBytesConfig:
    """Weights of linear layers in NF4 with quantised scales, 0.52 bytes each; the output head stays as it is.

    Args:
        dtype: Number format that the weights are computed with in.

    Raises:
        ConfigurationError: bitsandbytes is not installed.
    """
    check_packages("nf4")
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def keep_differentiable(base: nn.Module) -> None:
    """Keeps the layout of 4-bit weights in which bitsandbytes computes gradients.

    On CPUs with AVX512-BF16, a layer that is not in training mode is rewritten for inference at its first
    input without a gradient, and lets no gradient through from then on.
    """
    # Only there with HIPER_EXTRAS=bitsandbytes.
    from bitsandbytes.nn.modules import Linear4bit

    for module in base.modules():
        if isinstance(module, Linear4bit):
            # It has no dropout: the mode makes no other difference.
            module.train()
