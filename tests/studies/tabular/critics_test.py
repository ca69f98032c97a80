"""What the critics look up, and how they are made wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from studies.tabular.critics import SingleHeadCritic, TableCritic, TwoHeadCritic, disturbed, untrained
from studies.tabular.exact import Values, exact_values
from studies.tabular.sampling import sample
from studies.tabular.task import errands, half_trained, policies_of

TASK = errands(places=3, number=2, horizon=6)
POLICIES = policies_of(*half_trained(TASK, 3.0, seed=0))
VALUES = exact_values(TASK, POLICIES, 1.0, -0.2)
ROLLOUTS = sample(TASK, POLICIES, 64, np.random.default_rng(0))


def test_values_are_those_of_turn_state_and_subgoal() -> None:
    low, high, switch = TableCritic(VALUES)(ROLLOUTS)
    assert switch is not None
    for t, (turn, state) in enumerate(zip(ROLLOUTS.turn, ROLLOUTS.state, strict=True)):
        assert low[t] == VALUES.low[turn, state, ROLLOUTS.subgoal[t]]
        assert high[t] == VALUES.high[turn, state]
        before = VALUES.high[turn, state] if turn == 0 else VALUES.switch[turn, state, ROLLOUTS.held[t]]
        assert switch[t] == before


def test_the_keep_penalty_is_counted_on_keep_turns() -> None:
    plain, _, _ = TableCritic(VALUES)(ROLLOUTS)
    penalised, _, _ = TableCritic(VALUES, keep_penalty=-0.5)(ROLLOUTS)
    np.testing.assert_allclose(penalised - plain, np.where(ROLLOUTS.switch, 0, -0.5), atol=1e-12)


def test_a_critic_that_does_not_see_keep_counts_its_share_in_the_same_cell() -> None:
    # Two turns in the same cell, of which one keeps; the third is alone in its cell and keeps.
    three = replace(
        ROLLOUTS,
        offsets=np.array([0, 3]),
        turn=np.array([1, 1, 2]),
        state=np.array([0, 0, 1]),
        held=np.array([2, 2, 2]),
        subgoal=np.array([2, 2, 2]),
        switch=np.array([True, False, False]),
    )
    plain, _, _ = TableCritic(VALUES)(three)
    blind, _, _ = TableCritic(VALUES, keep_penalty=-1.0, sees_keep=False)(three)
    np.testing.assert_allclose(blind - plain, [-0.5, -0.5, -1.0])


def test_one_head_gives_all_tokens_the_value_before_the_decision() -> None:
    low, high, switch = SingleHeadCritic(VALUES)(ROLLOUTS)
    _, _, before = TableCritic(VALUES)(ROLLOUTS)
    assert low is high is switch
    assert np.array_equal(low, before)


def test_two_heads_have_no_value_before_the_decision() -> None:
    low, high, switch = TwoHeadCritic(VALUES)(ROLLOUTS)
    assert switch is None
    assert np.array_equal(low, TableCritic(VALUES)(ROLLOUTS)[0])
    assert np.array_equal(high, TableCritic(VALUES)(ROLLOUTS)[1])


def error(values: Values, level: str) -> np.ndarray:
    return np.asarray(getattr(values, level) - getattr(VALUES, level))


@pytest.mark.parametrize("levels", [("low",), ("high", "switch"), ()])
def test_only_the_named_levels_are_wrong_and_alike_on_all_turns(levels: tuple[str, ...]) -> None:
    wrong = disturbed(VALUES, 1.0, levels, seed=7)
    for level in ("low", "high", "switch"):
        found = error(wrong, level)
        assert bool(np.abs(found).max() > 0) is (level in levels)
        np.testing.assert_allclose(found, np.broadcast_to(found[0], found.shape), atol=1e-12)


def test_a_level_is_wrong_in_the_same_way_whichever_others_are() -> None:
    alone, together = (disturbed(VALUES, 1.0, levels, seed=7) for levels in (("switch",), ("low", "switch")))
    assert np.array_equal(alone.switch, together.switch)


def test_errors_are_in_deviations_of_the_high_value() -> None:
    small, large = (error(disturbed(VALUES, scale, ("low",), seed=7), "low") for scale in (0.5, 2.0))
    np.testing.assert_allclose(large, 4 * small)
    assert 0.3 < small[0].std() / (0.5 * VALUES.high.std()) < 1.7


def test_untrained_values_are_zero_and_the_actions_are_kept() -> None:
    zero = untrained(VALUES)
    assert not zero.low.any() and not zero.high.any() and not zero.switch.any()
    assert np.array_equal(zero.action, VALUES.action)
