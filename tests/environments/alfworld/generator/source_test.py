"""Generated games by their ids: what a seed fixes, and what is written into the files."""

from __future__ import annotations

import hashlib
import json

import pytest

from configuration.environment import GeneratorSettings
from environments.alfworld.errors import GameFileError
from environments.alfworld.game import Game
from environments.alfworld.game_file import parse_game_file
from environments.alfworld.game_source import task_of
from environments.alfworld.generator import GeneratedSource, source
from environments.alfworld.goal_text import read_goal
from environments.alfworld.plan import plan
from environments.alfworld.task_types import TaskType

SOURCE = GeneratedSource(GeneratorSettings(games=12), seed=0)


def test_a_seed_s_games_stay_the_same_from_version_to_version() -> None:
    # Recorded: figures in the documentation were measured with such games.
    digest = hashlib.sha256()
    for task in SOURCE.tasks():
        content = json.loads(SOURCE.read(task.id))
        digest.update(content["pddl_problem"].encode())
        digest.update("\n".join(content["walkthrough"]).encode())
    assert digest.hexdigest() == "4a9cd6a722d8ef2a534d33916341cda9b13ab38091ae79c9b9eed3b65712d885"


def test_an_id_says_split_type_object_place_room_seed_and_number() -> None:
    for task in SOURCE.tasks():
        assert task_of(task.id) == task, "as for released games"
        split, middle, trial = task.id.split("/")
        kind, thing, none, place, scene = middle.split("-")
        assert (split, kind, none) == (task.split, task.type, "None")
        prefix, number = trial.rsplit("_", 1)
        assert prefix == "trial_G0" and len(number) == 6 and 0 <= int(number) < 12
        goal = read_goal(parse_game_file(SOURCE.read(task.id), task.id).goal_text)
        assert goal is not None
        assert (goal.task_type, goal.object_type, goal.place_type) == (kind, thing.lower(), place.lower())
        assert json.loads(SOURCE.traj_data(task.id))["scene"]["scene_num"] == int(scene)


def test_types_alternate_and_both_wordings_occur() -> None:
    texts = [parse_game_file(SOURCE.read(task.id), task.id).goal_text for task in SOURCE.tasks()]
    assert {text.split()[0] for text in texts} >= {"put", "look", "examine"}
    for split in source.SPLITS:
        kinds = [task.type for task in SOURCE.tasks() if task.split == split]
        assert {kind: kinds.count(kind) for kind in TaskType} == dict.fromkeys(TaskType, 2)


def test_the_target_of_a_lamp_is_kept_apart_from_a_place() -> None:
    for task in SOURCE.tasks():
        content = json.loads(SOURCE.traj_data(task.id))
        parameters = content["pddl_params"]
        lamp = task.type == TaskType.LOOK
        assert parameters["toggle_target"] == ("DeskLamp" if lamp else "")
        assert bool(parameters["parent_target"]) is not lamp
        assert content["task_id"] == task.id.rpartition("/")[2]


def test_a_room_is_furnished_again_until_the_task_can_be_solved(monkeypatch: pytest.MonkeyPatch) -> None:
    task = SOURCE.tasks()[0].id
    first = SOURCE.read(task)
    asked = []

    def failing_once(game: Game) -> tuple[str, ...] | None:
        asked.append(game)
        return None if len(asked) == 1 else plan(game)

    monkeypatch.setattr(source, "plan", failing_once)
    second = SOURCE.read(task)
    assert len(asked) == 2
    assert json.loads(first)["pddl_problem"] != json.loads(second)["pddl_problem"]


def test_a_task_that_cannot_be_solved_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "plan", lambda game: None)
    task = SOURCE.tasks()[0].id
    with pytest.raises(GameFileError, match=f"{task}: none of 20 attempts gave a game that can be solved"):
        SOURCE.read(task)
