"""Packs: each sequence computes what it computes alone, and what sequences share is computed once."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.prefix import shared_length
from learner.update.packing import TokenSequence, computed_tokens, pack

CPU = torch.device("cpu")
TOKENS = st.lists(st.integers(0, 3), min_size=1, max_size=9).map(tuple)
SEQUENCES = st.lists(
    st.builds(TokenSequence, TOKENS, st.lists(st.integers(0, 3), max_size=4).map(tuple)), max_size=9
)


@settings(deadline=None, max_examples=150)
@given(SEQUENCES, st.integers(1, 40))
def test_every_row_sees_its_own_sequence_up_to_itself(sequences: list[TokenSequence], limit: int) -> None:
    packs = pack(sequences, limit, CPU)
    assert sorted(place for one in packs for place in one.members) == list(range(len(sequences)))
    for one in packs:
        sees, answers = one.bias(torch.float32) == 0, []
        for place, end in zip(one.members, one.prompt_ends, strict=True):
            sequence = sequences[place]
            seen = sees[end].nonzero()[:, 0]
            assert tuple(one.token_ids[seen].tolist()) == sequence.prompt_ids
            assert one.positions[seen].tolist() == list(range(len(sequence.prompt_ids)))
            answers += sequence.response_ids
        assert one.targets.tolist() == answers


@settings(deadline=None, max_examples=150)
@given(SEQUENCES, st.integers(1, 40))
def test_a_predicting_row_has_seen_prompt_and_answer_before_its_token(
    sequences: list[TokenSequence], limit: int
) -> None:
    for one in pack(sequences, limit, CPU):
        sees = one.bias(torch.float32) == 0
        rows = iter(one.predicting)
        for place in one.members:
            prompt, answer = sequences[place].prompt_ids, sequences[place].response_ids
            for length in range(len(answer)):
                before = one.token_ids[sees[next(rows)].nonzero()[:, 0]]
                assert tuple(before.tolist()) == prompt + answer[:length]
        assert next(rows, None) is None


@settings(deadline=None, max_examples=150)
@given(SEQUENCES, st.integers(1, 40))
def test_packs_keep_to_their_size_but_for_longer_sequences(
    sequences: list[TokenSequence], limit: int
) -> None:
    for one in pack(sequences, limit, CPU):
        assert len(one.token_ids) <= limit or len(one.members) == 1 or len(one.branches) == 1


def test_one_pack_has_the_rows_of_the_prefix_tree() -> None:
    sequences = [
        TokenSequence((1, 2, 3), (7, 8)),
        TokenSequence((1, 2, 4), (9,)),
        TokenSequence((1, 2, 3), (6,)),
    ]
    (one,) = pack(sequences, 100, CPU)
    # 1 2 3 7 and 4: the last token of an answer predicts nothing and is not computed.
    assert sorted(one.token_ids.tolist()) == [1, 2, 3, 4, 7]
    assert computed_tokens([one]) == 5


def test_a_sequence_without_a_prompt_is_refused() -> None:
    with pytest.raises(ValueError, match="without a prompt"):
        pack([TokenSequence((), (1,))], 10, CPU)


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [((), (1,), 0), ((1, 2), (1, 2), 2), ((1, 2), (1, 3), 1), ((1, 2), (1, 2, 3), 2), ((4,), (5,), 0)],
)
def test_shared_length(one: tuple[int, ...], other: tuple[int, ...], shared: int) -> None:
    assert shared_length(one, other) == shared
