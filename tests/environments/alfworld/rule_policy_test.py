"""The player that searches and remembers, step by step in the kitchen of `worlds.py`."""

from __future__ import annotations

import pytest

from environments.alfworld.compiler import compile_game
from environments.alfworld.episode import Episode
from environments.alfworld.game_file import GameFile
from environments.alfworld.goal_text import word_goal
from environments.alfworld.goals import Goal
from environments.alfworld.rule_policy import RulePolicy
from environments.alfworld.task_types import TaskType
from environments.benchmark import StepInfo
from environments.errors import BenchmarkError
from tests.environments.alfworld.worlds import kitchen_problem

PLACES = ["countertop 1", "shelf 1", "sinkbasin 1", "fridge 1", "microwave 1", "drawer 1", "drawer 2"]
"""In the order of the search: closed places last, and drawers, of which there are most, at the very end."""


def info(episode: Episode) -> StepInfo:
    return {
        "admissible_actions": episode.admissible,
        "goal": episode.game.goal_text,
        "task_id": "kitchen",
        "task_type": "",
        "won": episode.won,
        "score": float(episode.won),
    }


def played(
    task_type: TaskType, thing: str, place: str, *, turns: int = 40, told: str = ""
) -> tuple[bool, list[tuple[str, str]]]:
    """Whether the player wins within the turns, with its subgoals and actions; `told` replaces the goal."""
    text = told or word_goal(Goal(task_type, thing.lower(), place.lower()), 0) + "."
    problem = kitchen_problem(task_type, thing, place)
    episode = Episode(compile_game(GameFile(problem, text, ()), "kitchen"))
    player, observation, steps = RulePolicy(), episode.introduction(), []
    player.begin(observation, info(episode))
    for _ in range(turns):
        step = player.act(observation, info(episode))
        assert step.action in episode.admissible
        steps.append((step.subgoal, step.action))
        observation = episode.act(step.action)
        if episode.won:
            break
    return episode.won, steps


def test_it_takes_what_it_finds_first_and_opens_the_first_place_of_the_kind() -> None:
    assert played(TaskType.PICK, "Apple", "Drawer") == (
        True,
        [
            ("find and take a apple", "go to countertop 1"),
            ("find and take a apple", "take apple 2 from countertop 1"),
            ("put the apple in the drawer", "go to drawer 1"),
            ("put the apple in the drawer", "open drawer 1"),
            ("put the apple in the drawer", "move apple 2 to drawer 1"),
        ],
    )


def test_it_treats_what_it_holds_before_it_puts_it_down() -> None:
    won, steps = played(TaskType.HEAT, "Apple", "Fridge")
    assert won
    assert steps[2:] == [
        ("heat the apple", "go to microwave 1"),
        ("heat the apple", "heat apple 2 with microwave 1"),
        ("put the apple in the fridge", "go to fridge 1"),
        ("put the apple in the fridge", "open fridge 1"),
        ("put the apple in the fridge", "move apple 2 to fridge 1"),
    ]


def test_it_cleans_where_it_is_if_the_sink_is_in_reach() -> None:
    _, steps = played(TaskType.CLEAN, "Apple", "Drawer")
    assert steps[2] == ("clean the apple", "clean apple 2 with sinkbasin 1")


def test_it_searches_for_a_lamp_with_the_object_in_hand() -> None:
    assert played(TaskType.LOOK, "Mug", "DeskLamp") == (
        True,
        [
            ("find and take a mug", "go to countertop 1"),
            ("find and take a mug", "take mug 2 from countertop 1"),
            ("turn on the desklamp", "go to shelf 1"),
            ("turn on the desklamp", "use desklamp 1"),
        ],
    )


def test_it_goes_back_to_a_lamp_that_it_saw_before() -> None:
    won, steps = played(TaskType.LOOK, "Knife", "DeskLamp")
    actions = [action for _, action in steps]
    assert won
    assert actions.index("go to shelf 1") < actions.index("take knife 1 from drawer 2")
    assert actions[-2:] == ["go to shelf 1", "use desklamp 1"]


def test_it_remembers_what_it_saw_and_did_not_take() -> None:
    problem = kitchen_problem(TaskType.PICK, "Knife", "Drawer")
    episode = Episode(compile_game(GameFile(problem, "put a knife in fridge.", ()), "kitchen"))
    player, observation = RulePolicy(), episode.introduction()
    player.begin(observation, info(episode))
    while not observation.startswith("You pick up the knife"):
        observation = episode.act(player.act(observation, info(episode)).action)
    assert player._seen == {
        "countertop 1": {"apple 2", "mug 2", "plate 1"},
        "shelf 1": {"book 1", "desklamp 1"},
        "sinkbasin 1": set(),
        "fridge 1": {"apple 1"},
        "microwave 1": set(),
        "drawer 1": {"mug 1"},
        "drawer 2": set(),
    }


def test_of_two_objects_it_leaves_the_first_where_it_put_it() -> None:
    won, steps = played(TaskType.TWO, "Apple", "Drawer")
    assert won
    actions = [action for _, action in steps]
    second = actions.index("move apple 2 to drawer 1") + 1
    assert {subgoal for subgoal, _ in steps[:second]} == {
        "find and take a apple",
        "put the apple in the drawer",
    }
    assert steps[second][0] == "find and take another apple"
    assert not any(action.startswith("take apple 2") for action in actions[second:])
    assert actions[-3:] == ["take apple 1 from fridge 1", "go to drawer 1", "move apple 1 to drawer 1"]


def test_it_only_looks_around_when_it_cannot_put_down_what_it_holds() -> None:
    won, steps = played(TaskType.TWO, "Mug", "Shelf", turns=60)
    actions = [action for _, action in steps]
    assert not won, "nothing may be put on this kitchen's shelf"
    assert actions[:3] == ["go to countertop 1", "take mug 2 from countertop 1", "go to shelf 1"]
    assert set(actions[3:]) == {"look"}, "there is no other shelf, and it cannot put the mug anywhere else"


def test_it_looks_into_every_place_once_and_then_only_looks_around() -> None:
    won, steps = played(TaskType.PICK, "Apple", "Microwave", told="put a candle in microwave.")
    actions = [action for _, action in steps]
    assert not won
    assert [action.removeprefix("go to ") for action in actions if action.startswith("go to ")] == [
        "countertop 1",
        "shelf 1",
        "sinkbasin 1",
        "fridge 1",
        "microwave 1",
        "drawer 1",
    ], "drawer 2 is in reach where drawer 1 is"
    opened = {action.removeprefix("open ") for action in actions if action.startswith("open ")}
    assert opened == {"fridge 1", "microwave 1", "drawer 1", "drawer 2"}
    assert actions[-10:] == ["look"] * 10


def test_the_order_of_the_search() -> None:
    player = RulePolicy()
    episode = Episode(compile_game(GameFile(kitchen_problem(), "put a mug in drawer.", ()), "kitchen"))
    player.begin(episode.introduction(), info(episode))
    assert player._unsearched == PLACES


def test_a_new_episode_begins_without_memories() -> None:
    episode = Episode(
        compile_game(
            GameFile(kitchen_problem(TaskType.PICK, "Apple"), "put a apple in drawer.", ()), "kitchen"
        )
    )
    player = RulePolicy()
    first = []
    for _ in range(2):
        twin, observation = episode.copy(), episode.introduction()
        player.begin(observation, info(twin))
        actions = []
        while not twin.won:
            actions.append(player.act(observation, info(twin)).action)
            observation = twin.act(actions[-1])
        first.append(actions)
    assert first[0] == first[1]


def test_a_task_that_is_not_worded_like_alfworld_s_is_refused() -> None:
    episode = Episode(compile_game(GameFile(kitchen_problem(), "tidy the kitchen.", ()), "kitchen"))
    with pytest.raises(BenchmarkError, match="does not understand the task 'tidy the kitchen.'"):
        RulePolicy().begin(episode.introduction(), info(episode))
