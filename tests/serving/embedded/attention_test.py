"""Attention over slots, against softmax(q k / sqrt(d)) v written out for one token at a time."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig

from serving.embedded import attention
from serving.embedded.attention import Segment, Step, slot_attention
from serving.embedded.kv_cache import KvCache

HEADS, KV_HEADS, DIM, LAYERS, SLOTS, LENGTH = 4, 2, 3, 2, 4, 12
CPU = torch.device("cpu")


def cache(dtype: torch.dtype = torch.float32) -> KvCache:
    config = LlamaConfig(
        hidden_size=HEADS * DIM,
        num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS,
        num_hidden_layers=LAYERS,
        head_dim=DIM,
    )
    return KvCache(config, SLOTS, LENGTH, dtype, CPU)


def plain(query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """[head, head_dim] output of a token; query likewise, the others [position, kv_head, head_dim]."""
    outputs = []
    for head in range(HEADS):
        shared = head * KV_HEADS // HEADS
        products = torch.stack([(query[head] * key[shared]).sum() for key in keys]) / math.sqrt(DIM)
        shares = products.exp() / products.exp().sum()
        outputs.append(sum(share * value[shared] for share, value in zip(shares, values, strict=True)))
    return torch.stack(outputs)  # type: ignore[arg-type]


class Sequences:
    """Sequences whose queries, keys and values are drawn at random and computed in any pieces."""

    def __init__(self, lengths: list[int]) -> None:
        generator = torch.Generator().manual_seed(0)
        self.queries = [torch.randn(n, HEADS, DIM, generator=generator) for n in lengths]
        self.keys = [torch.randn(n, KV_HEADS, DIM, generator=generator) for n in lengths]
        self.values = [torch.randn(n, KV_HEADS, DIM, generator=generator) for n in lengths]

    def step(
        self,
        cache: KvCache,
        running: list[int],
        segments: list[tuple[int, int]],
        dtype: torch.dtype = torch.float32,
    ) -> list[torch.Tensor]:
        """Outputs of one step in the layout of the engine.

        Args:
            running: Position of the newest token of each running sequence, whose slot is its number.
            segments: Start and end of the tokens that are computed of each sequence after those.
        """
        pieces = [(slot, place, place + 1) for slot, place in enumerate(running)]
        pieces += [(slot, *bounds) for slot, bounds in enumerate(segments, start=len(running))]
        made = Step.of(
            cache,
            [0] * len(running),
            running,
            [Segment(slot, a, (0,) * (b - a)) for slot, a, b in pieces[len(running) :]],
            dtype,
            CPU,
        )

        def row(of: list[torch.Tensor]) -> torch.Tensor:
            return torch.cat([of[s][a:b] for s, a, b in pieces]).transpose(0, 1).unsqueeze(0)

        module: Any = SimpleNamespace(layer_idx=1)
        output, weights = slot_attention(
            module, row(self.queries), row(self.keys), row(self.values), None, 1 / math.sqrt(DIM), step=made
        )
        assert weights is None and output.shape[0] == 1
        return list(output[0].split([b - a for _, a, b in pieces]))

    def expected(self, sequence: int, begin: int, end: int) -> torch.Tensor:
        keys, values = self.keys[sequence], self.values[sequence]
        return torch.stack(
            [plain(self.queries[sequence][t], keys[: t + 1], values[: t + 1]) for t in range(begin, end)]
        )


def test_whole_prompts_of_different_lengths() -> None:
    sequences = Sequences([3, 1, 5])
    outputs = sequences.step(cache(), [], [(0, 3), (0, 1), (0, 5)])
    for number, length in enumerate((3, 1, 5)):
        torch.testing.assert_close(outputs[number], sequences.expected(number, 0, length))


def test_the_rest_of_a_prompt_sees_what_is_in_the_slot() -> None:
    sequences, slots = Sequences([7]), cache()
    sequences.step(slots, [], [(0, 3)])
    (output,) = sequences.step(slots, [], [(3, 7)])
    torch.testing.assert_close(output, sequences.expected(0, 3, 7))


def test_running_sequences_and_a_new_prompt_in_one_step() -> None:
    sequences, slots = Sequences([6, 3, 4]), cache()
    sequences.step(slots, [], [(0, 5), (0, 2)])
    first, second, prompt = sequences.step(slots, [5, 2], [(0, 4)])
    torch.testing.assert_close(first, sequences.expected(0, 5, 6))
    torch.testing.assert_close(second, sequences.expected(1, 2, 3))
    torch.testing.assert_close(prompt, sequences.expected(2, 0, 4))


@pytest.mark.parametrize(("allowed", "spans"), [(0, (6, 3, 9)), (3, ()), (2, (6, 3, 9))])
def test_running_sequences_are_attended_alone_if_too_many_positions_are_hidden(
    allowed: int, spans: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "_HIDDEN_ALLOWED", allowed)
    sequences, slots, running = Sequences([6, 3, 9]), cache(), [5, 2, 8]
    assert Step.of(slots, [0] * 3, running, [], torch.float32, CPU).spans == spans
    assert Step.of(slots, [0] * 3, [5, 5, 5], [], torch.float32, CPU).spans == ()
    sequences.step(slots, [], [(0, position) for position in running])
    for number, (output, position) in enumerate(
        zip(sequences.step(slots, running, []), running, strict=True)
    ):
        torch.testing.assert_close(output, sequences.expected(number, position, position + 1))


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_in_whatever_pieces_it_is_computed(data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(2, LENGTH), min_size=1, max_size=SLOTS))
    prompts = [data.draw(st.integers(1, length)) for length in lengths]
    sequences, slots = Sequences(lengths), cache()
    sequences.step(slots, [], [(0, prompt) for prompt in prompts])
    rest = sequences.step(slots, [], list(zip(prompts, lengths, strict=True)))
    for number, (prompt, length) in enumerate(zip(prompts, lengths, strict=True)):
        if prompt < length:
            torch.testing.assert_close(rest[number], sequences.expected(number, prompt, length))


def test_what_an_earlier_sequence_left_in_a_slot_is_not_seen() -> None:
    slots = cache()
    slots.keys(1)[:] = 9.0
    slots.values(1)[:] = 9.0
    sequences = Sequences([4, 2])
    sequences.step(slots, [], [(0, 3), (0, 1)])
    outputs = sequences.step(slots, [3, 1], [])
    torch.testing.assert_close(outputs[0], sequences.expected(0, 3, 4))
    torch.testing.assert_close(outputs[1], sequences.expected(1, 1, 2))


def test_the_last_token_of_each_sequence_is_where_its_logits_are() -> None:
    made = Step.of(
        cache(), [7, 8], [4, 9], [Segment(2, 0, (1, 2, 3)), Segment(3, 5, (4, 5))], torch.float32, CPU
    )
    assert made.input_ids.tolist() == [[7, 8, 1, 2, 3, 4, 5]]
    assert made.position_ids.tolist() == [[4, 9, 0, 1, 2, 5, 6]]
    assert made.last.tolist() == [0, 1, 4, 6]
    assert made.span == 10
    assert made.row_mask[0, 0, 0].tolist() == [0.0] * 5 + [-math.inf] * 5
    assert made.segment_masks[0] is None
    assert made.segment_masks[1] is not None
    assert made.segment_masks[1].tolist() == [[True] * 6 + [False], [True] * 7]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_slots_begin_at_zero_and_are_copied_moved_and_cleared(dtype: torch.dtype) -> None:
    slots = cache(dtype)
    assert slots.keys(0).shape == slots.values(0).shape == (SLOTS, KV_HEADS, LENGTH, DIM)
    assert slots.keys(0).dtype == dtype and not slots.keys(0).any()
    slots.keys(0)[3], slots.values(1)[3] = 1.0, 2.0
    copied = slots.copy_out(3, 4)
    assert copied.shape == (LAYERS, 2, KV_HEADS, 4, DIM)
    slots.move(3, 0, 2)
    assert slots.keys(0)[0, :, :2].eq(1).all() and not slots.keys(0)[0, :, 2:].any()
    slots.clear_slot(3)
    assert not slots.keys(0)[3].any() and slots.keys(0)[0].any()
    assert copied[0, 0].eq(1).all(), "a copy does not change with its slot"
    slots.copy_in(1, copied, 3)
    assert slots.values(1)[1, :, :3].eq(2).all() and not slots.values(1)[1, :, 3:].any()
    slots.clear()
    assert not slots.keys(0).any() and not slots.values(1).any()


@pytest.mark.parametrize("start", [0, 1, 70])
@pytest.mark.parametrize("count", [1, 64, 65, 150])
def test_products_written_out_are_those_of_the_fused_kernel(start: int, count: int) -> None:
    total, generator = start + count, torch.Generator().manual_seed(count)
    query, keys, values = (
        torch.randn(shape, dtype=torch.float64, generator=generator)
        for shape in ((1, HEADS, count, DIM), (KV_HEADS, total, DIM), (KV_HEADS, total, DIM))
    )
    mask = torch.ones(count, total, dtype=torch.bool).tril(start)
    for scaling in (None, 0.3):
        fused = attention._segment(query, keys, values, mask, scaling)
        torch.testing.assert_close(attention._written_out(query, keys, values, scaling), fused)


def test_in_bfloat16_a_prompt_gets_the_same_outputs_up_to_rounding() -> None:
    lengths, slots = [12, 9], cache(torch.bfloat16)
    exact, rounded = Sequences(lengths), Sequences(lengths)
    for of in (rounded.queries, rounded.keys, rounded.values):
        of[:] = [one.bfloat16() for one in of]
    rounded.step(slots, [], [(0, 5), (0, 4)], torch.bfloat16)
    outputs = rounded.step(slots, [], [(5, 12), (4, 9)], torch.bfloat16)
    for number, (begin, end) in enumerate([(5, 12), (4, 9)]):
        expected = exact.expected(number, begin, end)
        assert outputs[number].dtype is torch.bfloat16
        torch.testing.assert_close(outputs[number].float(), expected, atol=0.05, rtol=0.05)
