"""Errands on a ring: probabilities and rewards by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.tabular.task import REWARD, STEPS, errands, half_trained, policies_of, softmax

RIGHT, WRONG = 0.9 + 0.1 / 3, 0.1 / 3
"""Probability of the step that was chosen, and of each other one."""


def test_targets_are_one_or_two_places_apart() -> None:
    assert errands(places=5, number=4, horizon=9).targets == (1, 3, 4, 1)
    assert errands(places=3, number=2, horizon=5).targets == (1, 0)


def test_a_step_leads_to_the_next_place_most_of_the_time() -> None:
    task = errands(places=4, number=2, horizon=5)
    # Place 2 of the first errand, whose target is place 1; the second errand's states are 4 to 7.
    assert task.transition[2, STEPS.index(1)].tolist() == pytest.approx([0, 0, WRONG, RIGHT, 0, WRONG, 0, 0])
    assert task.transition[2, STEPS.index(-1)].tolist() == pytest.approx([0, 0, WRONG, WRONG, 0, RIGHT, 0, 0])
    assert task.transition[2, STEPS.index(0)].tolist() == pytest.approx([0, 0, RIGHT, WRONG, 0, WRONG, 0, 0])


def test_only_the_last_errand_is_rewarded_and_ends_the_episode() -> None:
    task = errands(places=4, number=2, horizon=5)
    assert task.targets == (1, 3)
    # From place 2, a step forward ends the second errand.
    assert task.reward[4 + 2].tolist() == pytest.approx([WRONG * REWARD, WRONG * REWARD, RIGHT * REWARD])
    assert task.reward[:4].tolist() == [[0.0] * 3] * 4
    assert task.states == 8


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 6), st.integers(1, 3))
def test_what_is_missing_to_one_is_the_end(places: int, number: int) -> None:
    task = errands(places, number, horizon=4)
    ends = 1 - task.transition.sum(axis=2)
    np.testing.assert_allclose(task.reward, REWARD * ends, atol=1e-12)
    assert (task.transition >= 0).all() and (ends > -1e-12).all()


def test_the_last_logit_of_a_softmax_is_zero() -> None:
    np.testing.assert_allclose(softmax(np.array([[0.0], [np.log(3)]])), [[0.5, 0.5], [0.75, 0.25]])
    np.testing.assert_allclose(softmax(np.array([[1000.0, 0.0], [-1000.0, 0.0]])), [[1, 0, 0], [0, 0.5, 0.5]])


def test_policies_are_probabilities() -> None:
    decision, subgoal, action = np.array([[0.0, np.log(4)]]), np.zeros((1, 1)), np.zeros((1, 2, 2))
    policies = policies_of(decision, subgoal, action)
    np.testing.assert_allclose(policies.decision, [[0.5, 0.8]])
    np.testing.assert_allclose(policies.subgoal, [[0.5, 0.5]])
    np.testing.assert_allclose(policies.action, np.full((1, 2, 3), 1 / 3))


def test_half_trained_policies_are_better_than_chance_and_not_perfect() -> None:
    task = errands(places=4, number=2, horizon=8)
    policies = policies_of(*half_trained(task, segment_length=4.0, seed=0))
    right = policies.subgoal[np.arange(8), np.repeat(task.targets, 4)]
    assert 1 / 4 < right.mean() < 0.8
    assert policies.decision.mean() == pytest.approx(1 / 4, abs=0.05)
    # At place 0 with subgoal 1, the step forward leads there.
    assert policies.action[[0, 4], 1, STEPS.index(1)].mean() > 1 / 3


def test_segments_of_one_turn_switch_always() -> None:
    task = errands(places=3, number=1, horizon=4)
    policies = policies_of(*half_trained(task, segment_length=1.0, seed=0))
    assert policies.decision.min() > 0.99


def test_logits_are_the_same_for_a_seed_and_have_one_choice_less() -> None:
    task = errands(places=4, number=2, horizon=8)
    first, again, other = (half_trained(task, 3.0, seed) for seed in (1, 1, 2))
    assert [table.shape for table in first] == [(8, 4), (8, 3), (8, 4, 2)]
    for a, b, c in zip(first, again, other, strict=True):
        assert np.array_equal(a, b) and not np.array_equal(a, c)
