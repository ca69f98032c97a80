"""The mean of the estimators over every possible episode is the policy gradient: exactly, without sampling.

All episodes of a small task are listed with their probabilities, so that nothing is left to chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hae import Advantages, EstimatorSettings, KeepPenalty, TurnBatch, estimate
from studies.tabular.critics import SingleHeadCritic, TableCritic, TwoHeadCritic, disturbed
from studies.tabular.exact import exact_gradient, exact_values
from studies.tabular.sampling import Rollouts, turn_batch
from studies.tabular.task import REWARD, errands, half_trained, policies_of
from tests.hae import strategies

TASK = errands(places=3, number=2, horizon=3)
POLICIES = policies_of(*half_trained(TASK, 2.0, seed=3))
WRONG = ("low", "high", "switch")
penalties = st.sampled_from([0.0, -0.3, -2.0])
few = hypothesis_settings(deadline=None, max_examples=25)

Turn = tuple[int, int, int, int, bool, int, float]
"""Turn, state, subgoal held, subgoal, SWITCH, action, reward."""


def episodes(t: int, state: int, held: int) -> Iterator[tuple[float, list[Turn]]]:
    """Every way in which an episode can continue, with its probability."""
    ended = TASK.states
    if t == TASK.horizon or state == ended:
        yield 1.0, []
        return
    share = 1.0 if t == 0 else POLICIES.decision[state, held]
    choices = [(True, g, share * POLICIES.subgoal[state, g]) for g in range(TASK.places)]
    choices += [(False, held, 1 - share)] if t > 0 else []
    for switch, subgoal, chosen in choices:
        for action, taken in enumerate(POLICIES.action[state, subgoal]):
            moves = TASK.transition[state, action]
            for following, moved in enumerate([*moves, 1 - moves.sum()]):
                if moved > 1e-12:
                    turn = (t, state, held, subgoal, switch, action, REWARD * (following == ended))
                    for rest, later in episodes(t + 1, following, subgoal):
                        yield chosen * taken * moved * rest, [turn, *later]


@cache
def every_episode() -> tuple[Rollouts, np.ndarray]:
    """[N] probabilities of the N episodes."""
    probabilities, turns = zip(*episodes(0, 0, 0), strict=True)
    offsets = np.concatenate(([0], np.cumsum([len(listed) for listed in turns])))
    turn, state, held, subgoal, switch, action, reward = (
        np.array(column) for column in zip(*(one for listed in turns for one in listed), strict=True)
    )
    won = reward[offsets[1:] - 1] > 0
    return Rollouts(offsets, turn, state, held, subgoal, switch, action, reward, won), np.array(probabilities)


def mean_gradient(advantages: Advantages) -> dict[str, np.ndarray]:
    """Of the free logits, by the level: probability times score times advantage, over all turns."""
    rollouts, probability = every_episode()
    weight = np.repeat(probability, np.diff(rollouts.offsets))
    starts, decided = advantages.segment_start, rollouts.turn > 0
    cell, held = (rollouts.state, rollouts.subgoal), (rollouts.state[decided], rollouts.held[decided])
    levels = {
        "subgoal": summed(POLICIES.subgoal, (rollouts.state[starts],), rollouts.subgoal[starts],
                          (weight * advantages.high)[starts]),
        "action": summed(POLICIES.action, cell, rollouts.action, weight * advantages.low),
    }  # fmt: skip
    if advantages.switch is not None:
        table = np.stack([POLICIES.decision, 1 - POLICIES.decision], axis=-1)
        chosen = np.where(rollouts.switch, 0, 1)[decided]
        levels["decision"] = summed(table, held, chosen, (weight * advantages.switch)[decided])[..., 0]
    return levels


def summed(
    table: np.ndarray, rows: tuple[np.ndarray, ...], choice: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Sum of weight times score, for all logits but the last of each row of `table`."""
    gradient = np.zeros_like(table)
    np.add.at(gradient, (*rows, choice), weight)
    np.add.at(gradient, rows, -weight[:, None] * table[rows])
    return gradient[..., :-1]


def check(settings: EstimatorSettings, batch: TurnBatch) -> None:
    penalty = settings.keep_penalty.value
    exact = exact_gradient(TASK, POLICIES, settings.gamma, penalty, discount_turns=False)
    for level, gradient in mean_gradient(estimate(batch, settings)).items():
        np.testing.assert_allclose(gradient, getattr(exact, level), rtol=1e-9, atol=1e-10, err_msg=level)


def settings_of(estimator: str, gamma: float, penalty: float, **lambdas: float) -> EstimatorSettings:
    return EstimatorSettings.model_validate(
        {
            "estimator": estimator,
            "gamma": gamma,
            "keep_penalty": KeepPenalty(mode="fixed", value=penalty),
            "normalize": False,
            **lambdas,
        }
    )


def test_every_episode_is_listed() -> None:
    assert every_episode()[1].sum() == pytest.approx(1.0, abs=1e-12)


@given(strategies.gammas, penalties, strategies.fractions, st.sampled_from([TableCritic, TwoHeadCritic]))
@few
def test_dgae_with_exact_values_and_any_lambda(
    gamma: float, penalty: float, lam: float, critic: type[TableCritic]
) -> None:
    values = exact_values(TASK, POLICIES, gamma, penalty)
    batch = turn_batch(every_episode()[0], critic(values))
    check(settings_of("dgae", gamma, penalty, lambda_decision=lam), batch)


@given(strategies.gammas, penalties, strategies.fractions, strategies.fractions, strategies.fractions)
@few
def test_hae_with_exact_values_and_any_lambdas(
    gamma: float, penalty: float, turn: float, segment: float, boundary: float
) -> None:
    values = exact_values(TASK, POLICIES, gamma, penalty)
    batch = turn_batch(every_episode()[0], TableCritic(values, penalty))
    lambdas = {"lambda_turn": turn, "lambda_segment": segment, "lambda_boundary": boundary}
    check(settings_of("hae", gamma, penalty, **lambdas), batch)


@given(strategies.gammas, strategies.fractions)
@few
def test_flat_gae_with_one_exact_value_and_any_lambda(gamma: float, lam: float) -> None:
    values = exact_values(TASK, POLICIES, gamma, 0.0)
    batch = turn_batch(every_episode()[0], SingleHeadCritic(values))
    check(settings_of("gae", gamma, 0.0, lambda_turn=lam), batch)


@given(strategies.gammas, penalties, st.sampled_from(["hae", "gae", "dgae"]), st.integers(0, 99))
@few
def test_any_values_with_all_lambdas_one(gamma: float, penalty: float, estimator: str, seed: int) -> None:
    values = disturbed(exact_values(TASK, POLICIES, gamma, penalty), 2.0, WRONG, seed)
    batch = turn_batch(every_episode()[0], TableCritic(values))
    names = ("lambda_turn", "lambda_segment", "lambda_boundary", "lambda_decision")
    check(settings_of(estimator, gamma, penalty, **dict.fromkeys(names, 1.0)), batch)


@pytest.mark.parametrize("estimator", ["hae", "gae", "dgae"])
def test_wrong_values_with_less_are_seen(estimator: str) -> None:
    values = disturbed(exact_values(TASK, POLICIES, 1.0, 0.0), 1.0, WRONG, seed=0)
    batch = turn_batch(every_episode()[0], TableCritic(values))
    with pytest.raises(AssertionError, match="subgoal"):
        check(settings_of(estimator, 1.0, 0.0, lambda_turn=0.9, lambda_decision=0.9), batch)
