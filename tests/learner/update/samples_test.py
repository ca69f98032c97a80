"""Which tokens learn from what; what the estimator and the critic's heads are given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.errors import InvalidInputError
from core.role import Role
from hae import Advantages, EstimatorSettings
from learner.update.credit import HEADS, States, turn_batch, value_targets, with_values
from learner.update.samples import answer_samples
from trajectory.episode import EMPTY_SPAN, Act, Decision, Episode, EpisodeKey, Generation, Plan, Span, Turn


def said(*token_ids: int, prompt: tuple[int, ...] = (1, 2), temperature: float = 1.0) -> Generation:
    return Generation(prompt, token_ids, tuple(-0.1 * t for t in token_ids), 0, temperature, False, 0.0)


FIRST = Plan(Decision.SWITCH, "a", True, said(10, 11, 12), EMPTY_SPAN, Span(0, 3))
KEEP = Plan(Decision.KEEP, "a", True, said(20, 99), Span(0, 1), EMPTY_SPAN)
SWITCH = Plan(Decision.SWITCH, "b", False, said(30, 31, 32, 33), Span(0, 2), Span(2, 4))
ACT = Act("x", True, said(40, 41, prompt=(3, 4), temperature=0.0), Span(0, 2))
TURNS = tuple(Turn("o", plan, ACT, reward, 0.0, 0.0) for plan, reward in [(FIRST, 0), (KEEP, 0), (SWITCH, 1)])


def episode(terminated: bool = True, turns: tuple[Turn, ...] = TURNS) -> Episode:
    key = EpisodeKey("r", "t", 0, 0)
    ended = ("o", (7,), (8,), 0.0)
    return Episode(key, 0, 5, "l", "b", "t", "g", turns, terminated, not terminated, terminated, 1.0, *ended)


def advantages(switch: bool = True) -> Advantages:
    start = np.array([True, False, True])
    return Advantages(
        segment_start=start,
        low=np.array([1.0, 2.0, 3.0]),
        high=np.array([4.0, 0.0, 6.0]),
        switch=np.array([7.0, 8.0, 9.0]) if switch else None,
        target_low=np.array([0.1, 0.2, 0.3]),
        target_high=np.array([0.4, 0.0, 0.6]),
        target_switch=np.array([0.7, 0.8, 0.9]) if switch else None,
        target_high_mask=start,
    )


def test_decisions_learn_from_switch_and_subgoals_from_high() -> None:
    first, keep, switch = answer_samples([episode()], advantages(), Role.PLANNER)
    assert first.advantages.tolist() == [4.0, 4.0, 4.0]
    # The token after the decision is not read, so that it neither learns nor is computed.
    assert (keep.response_ids, keep.advantages.tolist(), keep.learns.tolist()) == ((20,), [8.0], [True])
    assert switch.advantages.tolist() == [9.0, 9.0, 6.0, 6.0]
    assert switch.sampled_logprobs.tolist() == pytest.approx([-3.0, -3.1, -3.2, -3.3])


def test_with_two_heads_decisions_do_not_learn() -> None:
    first, switch = answer_samples([episode()], advantages(switch=False), Role.PLANNER)
    assert first.learns.tolist() == [True, True, True]
    assert switch.learns.tolist() == [False, False, True, True]


def test_actions_learn_from_low_at_every_turn() -> None:
    samples = answer_samples([episode()], advantages(), Role.EXECUTOR)
    assert [sample.advantages.tolist() for sample in samples] == [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]
    assert samples[0].prompt_ids == (3, 4)
    assert samples[0].temperature == 1.0  # What is recorded at temperature 0 is at temperature 1.


def test_the_batch_has_scaled_rewards_and_the_values_where_they_belong() -> None:
    episodes = [episode(), episode(terminated=False)]
    states = States.of(episodes, "final")
    assert states.prompts == ((1, 2),) * 6 + ((3, 4),) * 6 + ((7,), (8,))
    values = np.arange(14 * 3, dtype=np.float64).reshape(14, 3)
    batch = with_values(
        turn_batch(episodes, EstimatorSettings()), states, values, HEADS["three"], bootstrap="final"
    )
    assert batch.reward.tolist() == [0, 0, 10, 0, 0, 10]
    assert batch.switch.tolist() == [True, False, True] * 2
    assert batch.terminated.tolist() == [True, False]
    assert batch.value_high.tolist() == values[:6, 0].tolist()
    assert batch.value_switch.tolist() == values[:6, 1].tolist()
    assert batch.value_low.tolist() == values[6:12, 2].tolist()
    assert batch.final_value_high.tolist() == [0, values[12, 0]]
    assert batch.final_value_low.tolist() == [0, values[13, 2]]
    assert batch.group.tolist() == [5, 5]


def test_a_state_is_known_again_by_its_observation() -> None:
    seen = ("You are in the hall.", "You are in the attic.", "You are in the hall.")
    turns = tuple(replace(turn, observation=said) for turn, said in zip(TURNS, seen, strict=True))
    episodes = [episode(turns=turns), episode(turns=turns[1:])]
    batch = turn_batch(episodes, EstimatorSettings())
    hall, attic, *others = batch.state.tolist()
    assert hall != attic
    assert others == [hall, attic, hall]
    assert hall == -8583482348504490621  # Not Python's own hash, which differs from process to process.


def test_two_heads_have_no_switch_value() -> None:
    states = States.of([episode()], "none")
    batch = turn_batch([episode()], EstimatorSettings())
    batch = with_values(batch, states, np.zeros((6, 2)), HEADS["two"], bootstrap="none")
    assert batch.value_switch is None and batch.final_value_high is None


def test_a_missing_final_prompt_is_named() -> None:
    lacking = replace(episode(terminated=False), final_executor_prompt_ids=())
    with pytest.raises(InvalidInputError, match="episode 0"):
        States.of([lacking], "final")
    assert States.of([lacking], "last").unfinished == ()


def test_targets_go_to_the_heads_that_read_them() -> None:
    targets = value_targets(advantages(), States.of([episode()], "none"), HEADS["three"])
    assert targets.values[:, 0].tolist() == [0.4, 0, 0.6, 0, 0, 0]
    assert targets.values[:, 1].tolist() == [0.7, 0.8, 0.9, 0, 0, 0]
    assert targets.values[:, 2].tolist() == [0, 0, 0, 0.1, 0.2, 0.3]
    assert targets.learns[:, 0].tolist() == [True, False, True, False, False, False]
    assert targets.learns.sum(axis=0).tolist() == [2, 3, 3]
