"""The base model's frozen blocks, divided among ranks: each keeps a part, and gathers a block to compute it.

As in ZeRO's stage 3 (arXiv 1910.02054), but only for weights that never change: nothing is ever sent back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, distributed, nn

from learner.update.ranks import Ranks


class ShardedBlock:
    """A block's weights. Its modules have empty ones instead, except while the block is computed."""

    def __init__(self, block: nn.Module, ranks: Ranks, device: torch.device) -> None:
        """Takes the weights out of the block; the part of this rank is moved to `device`."""
        self._ranks = ranks
        # Tied modules would be counted twice; no block of the supported models has any.
        self._places = [
            (module, name) for module in block.modules() for name, _ in module.named_parameters(recurse=False)
        ]
        weights = [getattr(module, name).detach() for module, name in self._places]
        self._shapes = [weight.shape for weight in weights]
        self._sizes = [weight.numel() for weight in weights]
        flat = torch.cat([weight.reshape(-1) for weight in weights])
        length = -(-len(flat) // ranks.count)
        flat = nn.functional.pad(flat, (0, length * ranks.count - len(flat)))
        # A copy: a view would keep the whole vector.
        self._part = flat[ranks.rank * length : (ranks.rank + 1) * length].to(device, copy=True)
        self._empty = [nn.Parameter(weight.new_empty(0), requires_grad=False) for weight in weights]
        self._place(self._empty)

    @property
    def bytes(self) -> int:
        """Size of this rank's part."""
        return self._part.nbytes

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """The block has its weights in this context; all ranks must enter it at the same time.

        The backward pass keeps the weights that it needs for itself.
        """
        self._place(self._whole())
        try:
            yield
        finally:
            self._place(self._empty)

    def _whole(self) -> list[Tensor]:
        flat = self._part.new_empty(len(self._part) * self._ranks.count)
        # As bytes: gloo, which CPUs use, does not know every number format.
        distributed.all_gather_into_tensor(flat.view(torch.uint8), self._part.view(torch.uint8))
        parts = flat[: sum(self._sizes)].split(self._sizes)
        return [part.view(shape) for part, shape in zip(parts, self._shapes, strict=True)]

    def _place(self, weights: Iterable[Tensor]) -> None:
        for (module, name), weight in zip(self._places, weights, strict=True):
            # Not by assignment, which would only take parameters; and not their data, which the backward
            # pass would then find empty.
            module._parameters[name] = weight  # type: ignore[assignment]


def shard_blocks(blocks: Iterable[nn.Module], ranks: Ranks, device: torch.device) -> int:
    """Divides the weights of frozen blocks among ranks; returns the bytes of this rank's parts.

    Every rank must compute the blocks equally often, in the same order, also in the backward pass.

    Args:
        blocks: Blocks without adapters; those that are added later are not divided.
        ranks: The ranks, which all call this.
        device: Device on which the blocks compute.
    """
    total = 0
    for block in blocks:
        shard = ShardedBlock(block, ranks, device)
        block.forward = partial(_computed, shard, block.forward)
        total += shard.bytes
    return total


def _computed(shard: ShardedBlock, forward: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
    with shard.gathered():
        return forward(*inputs, **options)
