"""Attention of one step: the tokens of all sequences form one row, and keys and values are in slots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from serving.embedded.kv_cache import KvCache
from serving.suffix_attention import suffix_attention

NAME = "hiper_slots"
"""Name under which transformers finds `slot_attention`."""
_HIDDEN_ALLOWED = 100
"""Mean number of hidden positions of a row up to which running sequences are attended together, on a CPU. One
call for each costs as much as that many positions (`//benchmarks:attention`)."""


@dataclass(frozen=True)
class Segment:
    """The tokens of a prompt that a step computes, after `start` tokens that are already in the slot."""

    slot: int
    start: int
    token_ids: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Step:
    """One forward pass: the newest token of each running sequence, then the prompts of new sequences.

    Running sequence i occupies slot i.
    """

    cache: KvCache
    input_ids: torch.Tensor
    """[1, token] tokens to compute."""
    position_ids: torch.Tensor
    """[1, token] their positions."""
    last: torch.Tensor
    """Index of each sequence's last token, first of the running sequences, then of the segments."""
    rows: torch.Tensor
    """Slots of the running sequences."""
    span: int
    """Number of positions that the running sequences attend to, at least those of the longest one."""
    row_mask: torch.Tensor
    """[running, 1, 1, span] 0 up to the row's own position, minus infinity after it."""
    spans: tuple[int, ...] = ()
    """[running] Length of each running sequence, if attention is computed for each separately; empty if a
    single call computes all of them."""
    segments: tuple[Segment, ...] = ()
    segment_masks: tuple[torch.Tensor | None, ...] = ()
    """Masks of the segments, unless their products are written out."""
    written_out: bool = False
    """Whether attention of the segments is explicit products, which are faster in bfloat16 on a CPU."""

    @classmethod
    def of(
        cls,
        cache: KvCache,
        newest: Sequence[int],
        positions: Sequence[int],
        segments: Sequence[Segment],
        dtype: torch.dtype,
        device: torch.device,
    ) -> Step:
        """A step from the last tokens of the running sequences, their positions, and the segments."""
        ids, places, last = list(newest), list(positions), list(range(len(newest)))
        for segment in segments:
            ids += segment.token_ids
            places += range(segment.start, segment.start + len(segment.token_ids))
            last.append(len(ids) - 1)
        position_ids = torch.tensor([places], device=device)
        written_out = dtype is torch.bfloat16 and device.type == "cpu"
        span = max(positions, default=-1) + 1
        return cls(
            cache,
            input_ids=torch.tensor([ids], device=device),
            position_ids=position_ids,
            last=torch.tensor(last, device=device),
            rows=torch.arange(len(newest), device=device),
            span=span,
            row_mask=_row_mask(position_ids[0, : len(newest)], span, dtype),
            spans=_spans(positions, span) if device.type == "cpu" else (),
            segments=tuple(segments),
            segment_masks=tuple(None if written_out else _segment_mask(one, device) for one in segments),
            written_out=written_out,
        )

    @classmethod
    def decoding(
        cls, cache: KvCache, newest: torch.Tensor, positions: torch.Tensor, span: int, dtype: torch.dtype
    ) -> Step:
        """A step of running sequences alone, from tensors [running] on the model's device."""
        rows = torch.arange(len(newest), device=newest.device)
        mask = _row_mask(positions, span, dtype)
        return cls(cache, newest[None], positions[None], last=rows, rows=rows, span=span, row_mask=mask)

    @property
    def running(self) -> int:
        """Number of running sequences."""
        return len(self.rows)

    @property
    def row_positions(self) -> torch.Tensor:
        """[running] positions of their newest tokens."""
        return self.position_ids[0, : self.running]


def slot_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    *,
    step: Step,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Writes the new keys and values into their slots, and attends to all that is in each slot.

    Args:
        module: Attention layer.
        query: [1, head, token, head_dim], tokens in the order of `step.input_ids`.
        key: [1, kv_head, token, head_dim].
        value: [1, kv_head, token, head_dim].
        attention_mask: None; the step determines which token attends to which.
        scaling: Factor of the products.
        step: The step, which the caller passes to the model's forward under this name.

    Returns:
        The outputs [1, token, head, head_dim], and None instead of attention weights.
    """
    layer = cast(int, module.layer_idx)
    keys, values = step.cache.keys(layer), step.cache.values(layer)
    outputs = []
    if step.running:
        outputs.append(_running(query, key, value, keys, values, scaling, step))
    begin = step.running
    for segment, mask in zip(step.segments, step.segment_masks, strict=True):
        end = begin + len(segment.token_ids)
        own_keys, own_values = keys[segment.slot], values[segment.slot]
        total = segment.start + end - begin
        own_keys[:, segment.start : total] = key[0, :, begin:end]
        own_values[:, segment.start : total] = value[0, :, begin:end]
        seen = query[:, :, begin:end], own_keys[:, :total], own_values[:, :total]
        outputs.append(_written_out(*seen, scaling) if step.written_out else _segment(*seen, mask, scaling))
        begin = end
    return torch.cat(outputs).unsqueeze(0), None


def _running(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    scaling: float | None,
    step: Step,
) -> torch.Tensor:
    """[running, head, head_dim] outputs of the running sequences.

    Query heads that share a key head are put along the query axis, so that keys need not be copied.
    """
    count, kv_heads, head_dim = step.running, keys.shape[1], keys.shape[3]
    keys[step.rows, :, step.row_positions] = key[0, :, :count].transpose(0, 1)
    values[step.rows, :, step.row_positions] = value[0, :, :count].transpose(0, 1)
    grouped = query[0, :, :count].transpose(0, 1).reshape(count, kv_heads, -1, head_dim)
    if step.spans:
        alone = (
            scaled_dot_product_attention(
                grouped[row : row + 1],
                keys[row : row + 1, :, :span],
                values[row : row + 1, :, :span],
                scale=scaling,
            )
            for row, span in enumerate(step.spans)
        )
        return torch.cat(tuple(alone)).reshape(count, -1, head_dim)
    seen_keys, seen_values = keys[:count, :, : step.span], values[:count, :, : step.span]
    output = scaled_dot_product_attention(
        grouped, seen_keys, seen_values, attn_mask=step.row_mask, scale=scaling
    )
    return output.reshape(count, -1, head_dim)


def _segment(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    mask: torch.Tensor | None,
    scaling: float | None,
) -> torch.Tensor:
    """[token, head, head_dim] outputs of one prompt's tokens."""
    on_cpu = query.device.type == "cpu"
    if not on_cpu:
        # Of a GPU's kernels, those that take as many keys as heads are fast with a mask, too.
        groups = query.shape[1] // keys.shape[0]
        keys, values = keys.repeat_interleave(groups, 0), values.repeat_interleave(groups, 0)
    output = scaled_dot_product_attention(
        query,
        keys.unsqueeze(0),
        values.unsqueeze(0),
        attn_mask=mask,
        is_causal=mask is None,
        scale=scaling,
        enable_gqa=on_cpu,
    )
    return output[0].transpose(0, 1)


def _written_out(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, scaling: float | None
) -> torch.Tensor:
    """The same as `_segment`, by explicit products."""
    heads, count, size = query.shape[1:]
    scaled = query[0] * (size**-0.5 if scaling is None else scaling)
    output = suffix_attention(scaled.reshape(keys.shape[0], -1, count, size), keys, values)
    return output.reshape(heads, count, size).transpose(0, 1)


def _spans(positions: Sequence[int], span: int) -> tuple[int, ...]:
    """The spans of the running sequences, if too many positions were hidden in rows of one length."""
    hidden = sum(span - 1 - position for position in positions)
    return tuple(position + 1 for position in positions) if hidden > _HIDDEN_ALLOWED * len(positions) else ()


def _row_mask(positions: torch.Tensor, span: int, dtype: torch.dtype) -> torch.Tensor:
    unseen = torch.arange(span, device=positions.device) > positions[:, None]
    return torch.zeros(unseen.shape, dtype=dtype, device=positions.device).masked_fill_(
        unseen, float("-inf")
    )[:, None, None]


def _segment_mask(segment: Segment, device: torch.device) -> torch.Tensor | None:
    """[token, start + token] True where a token attends; None for a whole prompt, which needs no mask."""
    if segment.start == 0:
        return None
    count = len(segment.token_ids)
    ones = torch.ones(count, segment.start + count, dtype=torch.bool, device=device)
    return ones.tril(segment.start)


AttentionInterface.register(NAME, slot_attention)
