"""Dynamic programming on two places, worked out by hand.

There is one errand, to place 1. All policies are uniform. From place 0 both steps lead to place 1, from
place 1 only standing still does. An action succeeds with 0.9 + 0.1 / 3.
"""

from __future__ import annotations

import numpy as np
import pytest

from studies.tabular.exact import exact_gradient, exact_values, expected_return
from studies.tabular.task import errands, policies_of

UNIFORM = policies_of(np.zeros((2, 2)), np.zeros((2, 1)), np.zeros((2, 2, 2)))
FIRST, SECOND = [29 / 3, 2 / 3, 29 / 3], [1 / 3, 28 / 3, 1 / 3]
"""Expected rewards of the three actions in places 0 and 1."""


def test_one_turn_is_worth_its_reward() -> None:
    values = exact_values(errands(2, 1, horizon=1), UNIFORM, gamma=1.0, keep_penalty=0.0)
    np.testing.assert_allclose(values.action[0, 0], [FIRST, FIRST])
    np.testing.assert_allclose(values.action[0, 1], [SECOND, SECOND])
    np.testing.assert_allclose(values.low[0], [[20 / 3] * 2, [10 / 3] * 2])
    np.testing.assert_allclose(values.high[0], [20 / 3, 10 / 3])
    np.testing.assert_allclose(values.switch[0], values.low[0])


def test_two_turns_add_what_is_left_discounted_and_penalised() -> None:
    values = exact_values(errands(2, 1, horizon=2), UNIFORM, gamma=0.5, keep_penalty=-0.3)
    # On the last turn half the decisions keep, which costs 0.3; the executor's value does not count it.
    np.testing.assert_allclose(values.low[1], [[20 / 3] * 2, [10 / 3] * 2])
    np.testing.assert_allclose(values.switch[1, 0], [20 / 3 - 0.15] * 2)
    # From place 0, an action that does not arrive stays there: with 1/30, 28/30 and 1/30.
    left = 0.5 * (20 / 3 - 0.15)
    q = [29 / 3 + left / 30, 2 / 3 + left * 28 / 30, 29 / 3 + left / 30]
    np.testing.assert_allclose(values.action[0, 0, 0], q)
    np.testing.assert_allclose(values.low[0, 0], [sum(q) / 3] * 2)
    assert expected_return(errands(2, 1, 2), UNIFORM, 0.5, -0.3) == pytest.approx(sum(q) / 3)


def test_the_gradient_of_one_turn() -> None:
    gradient = exact_gradient(errands(2, 1, horizon=1), UNIFORM, gamma=1.0, keep_penalty=-0.3)
    # Each subgoal has 1/2, each action 1/3; advantages are 3, -6 and 3.
    np.testing.assert_allclose(gradient.action[0], [[0.5, -1.0], [0.5, -1.0]])
    np.testing.assert_allclose(gradient.action[1], 0, atol=1e-12)
    np.testing.assert_allclose(gradient.subgoal, 0, atol=1e-12)
    np.testing.assert_allclose(gradient.decision, 0, atol=1e-12)


def test_a_penalty_for_keeping_makes_switching_better() -> None:
    gradient = exact_gradient(errands(2, 1, horizon=2), UNIFORM, gamma=1.0, keep_penalty=-0.3)
    # The second turn is in place 0 with 1/3 · (1 + 28 + 1) / 30, with each subgoal half of it; both decisions
    # are worth the same but for the penalty, and the derivative of the sigmoid at 0 is 1/4.
    np.testing.assert_allclose(gradient.decision, [[0.5 / 3 * 0.25 * 0.3] * 2, [0, 0]], atol=1e-12)


def test_later_turns_are_discounted_only_where_that_is_asked_for() -> None:
    task = errands(2, 1, horizon=2)
    asked, left_out = (
        exact_gradient(task, UNIFORM, 0.5, -0.3, discount_turns=discount) for discount in (True, False)
    )
    np.testing.assert_allclose(asked.decision, 0.5 * left_out.decision)
    assert np.abs(left_out.decision).max() > 0
