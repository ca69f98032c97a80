"""Keys and values of the running sequences, preallocated; one slot a sequence."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from transformers import PretrainedConfig


class KvCache:
    """Slots of keys and values.

    Rows 0 to n - 1 are the n running sequences, without gaps, so that a batch is a view and never a copy.
    """

    def __init__(
        self, config: PretrainedConfig, slots: int, length: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        heads = config.num_attention_heads
        head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
        shape = (config.num_hidden_layers, 2, slots, config.num_key_value_heads, length, head_dim)
        self._zeros = partial(_zeros, shape, dtype, device)
        self._data = self._zeros()  # [layer, key or value, slot, head, position, head_dim]

    def keys(self, layer: int) -> torch.Tensor:
        """[slot, head, position, head_dim]"""
        return self._data[layer, 0]

    def values(self, layer: int) -> torch.Tensor:
        """[slot, head, position, head_dim]"""
        return self._data[layer, 1]

    def clear(self) -> None:
        """Forgets all slots. What masks hide is multiplied by zero, so that one NaN would spoil its row."""
        # Before the new ones are made, so that there is room for them.
        del self._data
        self._data = self._zeros()

    def clear_slot(self, slot: int) -> None:
        self._data[:, :, slot] = 0

    def copy_out(self, slot: int, length: int) -> torch.Tensor:
        """The first `length` positions of a slot: [layer, key or value, head, position, head_dim]."""
        return self._data[:, :, slot, :, :length].clone()

    def copy_in(self, slot: int, prefix: torch.Tensor, length: int) -> None:
        """Writes the first `length` positions of `prefix` into a slot."""
        self._data[:, :, slot, :, :length] = prefix[:, :, :, :length]

    def move(self, source: int, target: int, length: int) -> None:
        """Moves the first `length` positions of a slot to another one."""
        self._data[:, :, target, :, :length] = self._data[:, :, source, :, :length]


def _zeros(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Zeros, since masked garbage may be NaN; on a CPU from calloc, so that unused slots take no memory."""
    if device.type != "cpu":
        return torch.zeros(shape, dtype=dtype, device=device)
    words = np.zeros(shape, dtype=np.uint16 if dtype.itemsize == 2 else np.uint32)
    return torch.from_numpy(words).view(dtype)
