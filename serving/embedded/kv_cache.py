"""Preallocated keys and values of the running sequences, one slot per sequence."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from transformers import PretrainedConfig


class KvCache:
    """Slots of keys and values.

    The n running sequences occupy slots 0 to n - 1 without gaps, so that a batch is a view and never a copy.
    """

    def __init__(
        self,
        config: PretrainedConfig,
        slots: int,
        length: int,
        dtype: torch.dtype,
        device: torch.device,
        in_place: bool = False,
    ) -> None:
        """With `in_place`, the slots keep their addresses when they are cleared."""
        heads = config.num_attention_heads
        head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
        shape = (config.num_hidden_layers, 2, slots, config.num_key_value_heads, length, head_dim)
        self._zeros = partial(_zeros, shape, dtype, device)
        self._in_place = in_place
        self._data = self._zeros()  # [layer, key or value, slot, head, position, head_dim]

    def keys(self, layer: int) -> torch.Tensor:
        """[slot, head, position, head_dim] keys of a layer."""
        return self._data[layer, 0]

    def values(self, layer: int) -> torch.Tensor:
        """[slot, head, position, head_dim] values of a layer."""
        return self._data[layer, 1]

    def clear(self) -> None:
        """Sets all slots to zero: hidden values are multiplied by zero, so that a NaN would spoil its row."""
        if self._in_place and self._data.numel():
            self._data.zero_()
            return
        # The old ones are deleted first, to have room for the new ones.
        del self._data
        self._data = self._zeros()

    def drop(self) -> None:
        """Frees the memory of all slots; before they are used again, `clear` is needed."""
        self._data = self._data.new_empty(0)

    def clear_slot(self, slot: int) -> None:
        """Sets one slot to zero."""
        self._data[:, :, slot] = 0

    def copy_out(self, slot: int, length: int) -> torch.Tensor:
        """A copy of a slot's first `length` positions, [layer, key or value, head, position, head_dim]."""
        return self._data[:, :, slot, :, :length].clone()

    def copy_in(self, slot: int, prefix: torch.Tensor, length: int) -> None:
        """Copies the first `length` positions of `prefix` into a slot."""
        self._data[:, :, slot, :, :length] = prefix[:, :, :, :length]

    def move(self, source: int, target: int, length: int) -> None:
        """Copies the first `length` positions of a slot to another one."""
        self._data[:, :, target, :, :length] = self._data[:, :, source, :, :length]


def _zeros(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Zeros, because garbage may contain NaN, which spreads even where a mask hides it.

    On a CPU they come from numpy, whose calloc takes no memory for slots that are never used.
    """
    if device.type != "cpu":
        return torch.zeros(shape, dtype=dtype, device=device)
    words = np.zeros(shape, dtype=f"u{dtype.itemsize}")
    return torch.from_numpy(words).view(dtype)
