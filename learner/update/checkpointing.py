"""Gradient checkpointing: blocks that are computed again in the backward pass (arXiv 1604.06174)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from peft.helpers import disable_input_dtype_casting
from torch import nn
from torch.utils.checkpoint import checkpoint

_Contexts = tuple[AbstractContextManager[None], AbstractContextManager[None]]


def checkpoint_blocks(blocks: Iterable[nn.Module], casts: bool) -> None:
    """Makes blocks keep only their inputs for the backward pass.

    transformers' own switch works in training mode only, which would also turn dropout on.

    Args:
        blocks: Blocks of the model, with their adapters.
        casts: Whether PEFT converts the inputs of adapters, as it must when the block is computed again.
    """
    for block in blocks:
        block.forward = partial(_checkpointed, block.forward, partial(_contexts, block, casts))


def _checkpointed(
    forward: Callable[..., Any], contexts: Callable[[], _Contexts], *inputs: Any, **options: Any
) -> Any:
    if not torch.is_grad_enabled():
        return forward(*inputs, **options)
    return checkpoint(
        forward, *inputs, use_reentrant=False, preserve_rng_state=False, context_fn=contexts, **options
    )


def _contexts(block: nn.Module, casts: bool) -> _Contexts:
    """What the forward pass and its repetition run in; autocast is repeated by itself."""
    return nullcontext(), nullcontext() if casts else disable_input_dtype_casting(block)
