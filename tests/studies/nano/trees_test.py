"""Lessons as prefix trees, and batches of them, row by row."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from learner.update.packing import TokenSequence
from studies.nano.corpus import Lesson
from studies.nano.trees import Batch, Tree

ANSWERS = (TokenSequence((1, 2, 3), (4, 5)), TokenSequence((1, 2), (9,)))
LESSON = Lesson(ANSWERS, TokenSequence((1,), (2, 3)))
SEQUENCES = st.builds(
    TokenSequence,
    st.lists(st.integers(1, 3), min_size=1, max_size=5).map(tuple),
    st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple),
)
LESSONS = st.builds(Lesson, st.lists(SEQUENCES, min_size=1, max_size=4).map(tuple), SEQUENCES)


def scored(lesson: Lesson) -> list[tuple[tuple[int, ...], int, bool]]:
    """Each token that is scored: what comes before it, itself, and whether it is part of an answer."""
    found = []
    for sequence, is_answer in (*((one, True) for one in lesson.answers), (lesson.transcript, False)):
        whole = sequence.prompt_ids + sequence.response_ids
        begin = len(sequence.prompt_ids)
        found += [(whole[:place], whole[place], is_answer) for place in range(begin, len(whole))]
    return sorted(found)


def read_back(tree: Tree) -> list[tuple[tuple[int, ...], int, bool]]:
    """The same, from what the rows of the tree attend to."""
    hidden = tree.hidden(len(tree.token_ids))
    found = []
    for row, target, is_answer in zip(tree.predicting, tree.targets, tree.is_answer, strict=True):
        seen = torch.nonzero(~hidden[row]).flatten()
        ordered = seen[tree.positions[seen].argsort()]
        found.append((tuple(tree.token_ids[ordered].tolist()), int(target), bool(is_answer)))
    return sorted(found)


def test_the_rows_of_a_lesson() -> None:
    tree = Tree.of(LESSON)
    # The longest path is 1 2 3 4; the last token of an answer predicts nothing and has no row.
    assert tree.token_ids.tolist() == [1, 2, 3, 4]
    assert tree.positions.tolist() == [0, 1, 2, 3]
    assert tree.hidden(4).tolist() == [
        [False, True, True, True],
        [False, False, True, True],
        [False, False, False, True],
        [False, False, False, False],
    ]
    assert read_back(tree) == scored(LESSON)


@settings(deadline=None, max_examples=60)
@given(LESSONS)
def test_every_scored_token_is_predicted_from_what_comes_before_it(lesson: Lesson) -> None:
    tree = Tree.of(lesson)
    assert read_back(tree) == scored(lesson)
    assert tree.seen.shape == (len(tree.token_ids), -(-len(tree.token_ids) // 8))


def test_rows_beyond_the_tree_are_hidden() -> None:
    hidden = Tree.of(LESSON).hidden(11)
    assert hidden.shape == (4, 11) and hidden[:, 4:].all()


@settings(deadline=None, max_examples=20)
@given(st.lists(LESSONS, min_size=1, max_size=3))
def test_a_batch_holds_its_trees_and_padding_that_counts_for_nothing(lessons: list[Lesson]) -> None:
    trees = [Tree.of(lesson) for lesson in lessons]
    batch = Batch.of(trees)
    rows = batch.token_ids.shape[1]
    assert rows % 64 == 0 and len(batch.targets) % 256 == 0
    begin = 0
    for place, tree in enumerate(trees):
        own, end = len(tree.token_ids), begin + len(tree.targets)
        assert batch.token_ids[place, :own].tolist() == tree.token_ids.tolist()
        assert batch.positions[place, :own].tolist() == tree.positions.tolist()
        assert torch.equal(batch.hidden[place, 0, :own], tree.hidden(rows))
        assert torch.equal(batch.predicting[begin:end], tree.predicting + place * rows)
        assert torch.equal(batch.targets[begin:end], tree.targets)
        assert torch.equal(batch.is_answer[begin:end], tree.is_answer)
        begin = end
    assert torch.equal(batch.is_transcript[:begin], ~batch.is_answer[:begin])
    assert not batch.is_answer[begin:].any() and not batch.is_transcript[begin:].any()


def test_padding_rows_attend_to_the_first_row_alone() -> None:
    batch = Batch.of([Tree.of(LESSON)])
    assert not batch.hidden[0, 0, 4:, 0].any()
    assert batch.hidden[0, 0, 4:, 1:].all()


@pytest.mark.parametrize("length", [1, 63, 64, 65, 130])
def test_sizes_are_rounded_up(length: int) -> None:
    lesson = Lesson((TokenSequence(tuple(range(length)), (7,)),), TokenSequence((0,), (1,)))
    batch = Batch.of([Tree.of(lesson)])
    assert batch.token_ids.shape == (1, -(-length // 64) * 64)
    assert len(batch.targets) == 256


def test_bits_are_read_as_they_were_packed() -> None:
    generator = np.random.default_rng(0)
    sequence = TokenSequence(tuple(generator.integers(1, 50, 37).tolist()), (1,))
    hidden = Tree.of(Lesson((sequence,), TokenSequence((1,), (2,)))).hidden(40)
    rows = [row for row in range(len(hidden)) if hidden[row].sum() == 40 - 37]
    assert len(rows) == 1, "only the last row of the long sequence attends to all 37"
