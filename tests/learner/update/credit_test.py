"""Which prompts have values, and where the values belong."""

from __future__ import annotations

import numpy as np
import pytest

from hae import EstimatorSettings
from learner.update.credit import States, state_id, turn_batch, with_values
from tests.play.answers import act, keep, switch
from trajectory.episode import Episode, EpisodeKey, Turn


def episode(
    *rewards: float, number: int = 0, terminated: bool = True, final: tuple[int, ...] = ()
) -> Episode:
    turns = tuple(
        Turn(f"room {place}", keep("a") if place else switch("a"), act("look"), reward, 0.0, 0.0)
        for place, reward in enumerate(rewards)
    )
    return Episode(
        key=EpisodeKey("run", "task", number, 0),
        number=number,
        group=number // 2,
        lease_id="l",
        benchmark="b",
        task_type="t",
        goal="g",
        turns=turns,
        terminated=terminated,
        truncated=not terminated,
        won=False,
        score=0.0,
        final_observation="",
        final_planner_prompt_ids=final,
        final_executor_prompt_ids=tuple(token + 1 for token in final),
        seconds=0.0,
    )


def test_prompts_are_planner_s_then_executor_s_then_those_at_the_end() -> None:
    episodes = [
        episode(0, 0, number=0, terminated=False, final=(50,)),
        episode(1, number=1),
        episode(0, number=2, terminated=False, final=(60,)),
    ]
    states = States.of(episodes, "final")
    assert (states.turns, states.unfinished) == (4, (0, 2))
    assert len(states.prompts) == 2 * 4 + 2 * 2
    assert states.prompts[states.planner] == ((1, 2, 3),) * 4
    assert states.prompts[states.executor] == ((1, 2, 3),) * 4
    assert states.prompts[states.final_planner] == ((50,), (60,))
    assert states.prompts[states.final_executor] == ((51,), (61,))
    assert states.is_executor.tolist() == [False] * 4 + [True] * 4 + [False] * 2 + [True] * 2
    assert states.episodes.tolist() == [0, 0, 1, 2] * 2 + [0, 2] * 2


@pytest.mark.parametrize("bootstrap", ["none", "last"])
def test_without_a_value_at_the_end_no_final_prompt_is_needed(bootstrap: str) -> None:
    states = States.of([episode(0, terminated=False)], bootstrap)
    assert states.unfinished == () and len(states.prompts) == 2
    assert states.prompts[states.final_executor] == ()


def test_final_values_are_zero_where_an_episode_has_ended_by_itself() -> None:
    episodes = [episode(1), episode(0, number=1, terminated=False, final=(9,))]
    states = States.of(episodes, "final")
    values = np.arange(12.0).reshape(6, 2)
    batch = turn_batch(episodes, EstimatorSettings())
    batch = with_values(batch, states, values, ("high", "low"), "final")
    assert batch.final_value_high is not None and batch.final_value_low is not None
    assert batch.final_value_high.tolist() == [0.0, 8.0]
    assert batch.final_value_low.tolist() == [0.0, 11.0]
    assert batch.final_value_switch is None


def test_a_batch_without_values_has_offsets_rewards_and_groups() -> None:
    episodes = [episode(0, 1, number=2), episode(0, number=3), episode(0, 0, 1, number=4)]
    settings = EstimatorSettings(estimator="grpo", success_reward=5.0)
    batch = turn_batch(episodes, settings)
    assert batch.episode_offsets.tolist() == [0, 2, 3, 6]
    assert batch.reward.tolist() == [0, 5, 0, 0, 0, 5]
    assert batch.value_low is None and batch.final_value_low is None
    assert batch.group is not None and batch.group.tolist() == [1, 1, 2]
    assert batch.action_valid is not None and batch.action_valid.all()


def test_states_are_numbers_of_64_bits_that_tell_observations_apart() -> None:
    numbers = {state_id(text) for text in ("", "a", "b", "a ", "A", "é")}
    assert len(numbers) == 6
    assert all(-(2**63) <= number < 2**63 for number in numbers)
    assert state_id("a") == state_id("a")
