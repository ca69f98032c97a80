"""Players that follow the adviser more or less."""

from __future__ import annotations

import pytest

from environments.alfworld.adviser import Advice
from environments.evaluation import evaluate
from studies.nano.player import ErringBenchmark, ErringPlayer, Errors
from studies.nano.steps import step_of
from tests.studies.nano.worlds import ERRING, benchmark


def test_without_errors_every_task_type_is_won_within_twenty_turns() -> None:
    games = benchmark(36)
    outcomes = evaluate(games, ErringPlayer(Errors(), seed=0), "valid_unseen")
    assert len({outcome.task.type for outcome in outcomes}) == 6
    assert all(outcome.won for outcome in outcomes)


def test_steps_give_every_task_four_to_eight_subgoals_of_the_same_actions() -> None:
    games = benchmark(36)
    coarse, steps = (ErringBenchmark(games, Errors(), seed=0, steps=on) for on in (False, True))
    counts: dict[str, set[int]] = {}
    for task in games.tasks("train"):
        wide, fine = coarse.demonstration(task), steps.demonstration(task)
        assert [step.action for step in wide] == [step.action for step in fine]
        named = [step.subgoal for step in fine]
        begun = sum(now != before for now, before in zip(named, ["", *named[:-1]], strict=True))
        counts.setdefault(task.type, set()).add(begun)
    # One fewer where the player stands where it must go next.
    assert {kind: max(found) for kind, found in counts.items()} == {
        "pick_and_place_simple": 4,
        "look_at_obj_in_light": 4,
        "pick_clean_then_place_in_recep": 6,
        "pick_heat_then_place_in_recep": 6,
        "pick_cool_then_place_in_recep": 6,
        "pick_two_obj_and_place": 8,
    }
    assert all(min(found) >= max(found) - 1 for found in counts.values())


@pytest.mark.parametrize(
    ("subgoal", "action", "step"),
    [
        ("find and take a mug", "go to shelf 1", "find a mug"),
        ("find and take a mug", "take mug 1 from shelf 1", "take a mug"),
        ("find and take another mug", "open fridge 1", "find another mug"),
        ("heat the mug", "go to microwave 1", "go to the microwave"),
        ("heat the mug", "heat mug 1 with microwave 1", "heat the mug"),
        ("put the mug in the shelf", "go to shelf 1", "go to the shelf"),
        ("put the mug in the shelf", "move mug 1 to shelf 1", "put the mug in the shelf"),
        ("turn on the desklamp", "examine desk 1", "find the desklamp"),
        ("turn on the desklamp", "use desklamp 1", "turn on the desklamp"),
        ("find and take a mug", "look", "find a mug"),
    ],
)
def test_a_step_is_to_get_there_or_to_act_there(subgoal: str, action: str, step: str) -> None:
    assert step_of(Advice(subgoal, (action,))) == step


def test_a_clueless_player_names_steps_if_it_plays_by_steps() -> None:
    games = benchmark(12)
    player = ErringBenchmark(games, Errors(subgoal=1.0), seed=0, steps=True)
    named = {step.subgoal for task in games.tasks("train") for step in player.demonstration(task)}
    assert any(subgoal.startswith("go to the ") for subgoal in named)
    assert not any(subgoal.startswith("find and take") for subgoal in named)


def test_errors_cost_games() -> None:
    games = benchmark(36)
    hopeless = ErringPlayer(Errors(action=1.0), seed=0)
    assert sum(outcome.won for outcome in evaluate(games, hopeless, "train")) < 12


def test_a_demonstration_is_the_same_each_time_and_ends_its_episode() -> None:
    games = benchmark(6)
    player = ErringBenchmark(games, ERRING, seed=1)
    environment = games.environment()
    for task in games.tasks("train"):
        steps = player.demonstration(task)
        assert steps == player.demonstration(task)
        environment.reset(seed=0, options={"task": task.id})
        ends = [any(environment.step(step.action)[2:4]) for step in steps]
        assert ends == [False] * (len(steps) - 1) + [True]
