"""Attention within a prefix tree against attention of each sequence by itself."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from learner.update.attention import prefix_tree_attention
from learner.update.packing import Pack, TokenSequence, pack

HEADS, SIZE = 4, 8
SEQUENCES = st.lists(
    st.lists(st.integers(0, 2), min_size=1, max_size=6).map(lambda ids: TokenSequence(tuple(ids))),
    min_size=1,
    max_size=5,
)
LAYER = torch.nn.Module()


def inputs(rows: int, key_heads: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(rows)
    shapes = (HEADS, key_heads, key_heads)
    query, key, value = (torch.randn(1, heads, rows, SIZE, generator=generator) for heads in shapes)
    return query.to(dtype), key.to(dtype), value.to(dtype)


def attend(
    one: Pack, query: Tensor, key: Tensor, value: Tensor, *, in_one_call: bool = False, scaling: float = 0.5
) -> Tensor:
    bias = one.bias(query.dtype) if in_one_call else None
    outputs, weights = prefix_tree_attention(
        LAYER, query, key, value, None, pack=one, bias=bias, scaling=scaling
    )
    assert weights is None
    return outputs


def by_hand(one: Pack, query: Tensor, key: Tensor, value: Tensor, scaling: float = 0.5) -> Tensor:
    """[1, N, heads, head size]: a softmax over the path of each row, row by row and head by head."""
    groups = query.shape[1] // key.shape[1]
    outputs = torch.zeros(1, query.shape[2], query.shape[1], SIZE)
    for branch in one.branches:
        for row in range(branch.begin, branch.end):
            seen = [other for other in branch.path.tolist() if other <= row]
            for head in range(query.shape[1]):
                scores = scaling * key[0, head // groups, seen].float() @ query[0, head, row].float()
                outputs[0, row, head] = scores.softmax(0) @ value[0, head // groups, seen].float()
    return outputs


@settings(deadline=None, max_examples=30)
@given(SEQUENCES, st.sampled_from((1, 2, 4)), st.booleans())
def test_each_row_attends_to_its_path(
    sequences: list[TokenSequence], key_heads: int, in_one_call: bool
) -> None:
    (one,) = pack(sequences, 1000, torch.device("cpu"))
    query, key, value = inputs(len(one.token_ids), key_heads)
    found = attend(one, query, key, value, in_one_call=in_one_call)
    torch.testing.assert_close(found, by_hand(one, query, key, value))


@pytest.mark.parametrize("key_heads", [1, 2, 4])
def test_bfloat16_is_near_float32(key_heads: int) -> None:
    sequences = [TokenSequence((1, 2, 3, *rest)) for rest in ((4, 5), (4, 6, 7), (8,))]
    (one,) = pack(sequences, 1000, torch.device("cpu"))
    query, key, value = inputs(len(one.token_ids), key_heads, torch.bfloat16)
    for in_one_call in (False, True):
        found = attend(one, query, key, value, in_one_call=in_one_call)
        assert found.dtype is torch.bfloat16
        torch.testing.assert_close(found.float(), by_hand(one, query, key, value), atol=0.03, rtol=0.03)


def test_a_row_on_another_branch_has_no_influence() -> None:
    sequences = [TokenSequence((1, 2, 3)), TokenSequence((1, 4, 5))]
    (one,) = pack(sequences, 1000, torch.device("cpu"))
    assert one.token_ids.tolist() == [1, 2, 3, 4, 5]
    query, key, value = inputs(5, HEADS)
    before = attend(one, query, key, value)
    key[:, :, 1:3], value[:, :, 1:3] = 100.0, 100.0
    for in_one_call in (False, True):
        after = attend(one, query, key, value, in_one_call=in_one_call)
        torch.testing.assert_close(after[:, [0, 3, 4]], before[:, [0, 3, 4]])
        assert not torch.allclose(after[:, 1:3], before[:, 1:3])


def test_two_equal_keys_are_weighed_by_hand() -> None:
    (one,) = pack([TokenSequence((7, 8))], 1000, torch.device("cpu"))
    query = torch.zeros(1, 1, 2, 1)
    query[0, 0, 1] = 2.0
    key, value = torch.tensor([[[[1.0], [0.0]]]]), torch.tensor([[[[10.0], [20.0]]]])
    found = attend(one, query, key, value, scaling=0.5)
    # The second row's scores are 0.5 · 2 · 1 and 0, so that the first value weighs e / (e + 1).
    weight = math.e / (math.e + 1)
    assert found.flatten().tolist() == pytest.approx([10.0, weight * 10 + (1 - weight) * 20])


def test_gradients_are_those_of_the_sequence_alone() -> None:
    sequences = [TokenSequence((1, 2, 3)), TokenSequence((1, 2, 4))]
    (one,) = pack(sequences, 1000, torch.device("cpu"))
    gradients = []
    for compute in (attend, by_hand):
        query, key, value = (each.requires_grad_() for each in inputs(len(one.token_ids), 2))
        compute(one, query, key, value).square().sum().backward()
        gradients.append((query.grad, key.grad, value.grad))
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs)
