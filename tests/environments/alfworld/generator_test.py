"""New games: any number from a seed, each solvable, in rooms of their own where they should be."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

import pytest

from configuration.environment import GeneratorSettings
from environments.alfworld.benchmark import AlfworldBenchmark
from environments.alfworld.compiler import load_game
from environments.alfworld.episode import Episode
from environments.alfworld.game import Game
from environments.alfworld.generator import GeneratedSource
from environments.alfworld.generator.package import read_world
from environments.alfworld.task_types import TaskType
from environments.benchmark import Task
from environments.errors import UnknownTaskTypeError

SPLITS = ("train", "valid_seen", "valid_unseen")


def games_of(source: GeneratedSource) -> dict[Task, Game]:
    return {task: load_game(source.read(task.id), task.id) for task in source.tasks()}


@pytest.fixture(scope="module")
def games() -> dict[Task, Game]:
    return games_of(GeneratedSource(GeneratorSettings(games=60), seed=1))


def test_every_walkthrough_wins_at_its_last_action(games: dict[Task, Game]) -> None:
    for task, game in games.items():
        episode = Episode(game)
        for action in game.walkthrough:
            assert not episode.won, task.id
            assert episode.act(action) != "Nothing happens.", (task.id, action)
        assert episode.won, task.id


def test_types_are_spread_evenly_over_each_split(games: dict[Task, Game]) -> None:
    counts = Counter((task.split, task.type) for task in games)
    assert counts == {(split, kind): 10 for split in SPLITS for kind in TaskType}


def test_unseen_games_are_in_rooms_of_their_own(games: dict[Task, Game]) -> None:
    rooms = {
        split: {task.id.split("/")[1].rpartition("-")[2] for task in games if task.split == split}
        for split in SPLITS
    }
    assert not rooms["valid_unseen"] & (rooms["train"] | rooms["valid_seen"])
    assert all(int(room) % 100 <= 6 for room in rooms["valid_unseen"])


def test_ids_are_unique_and_games_of_different_splits_differ(games: dict[Task, Game]) -> None:
    assert len({task.id for task in games}) == 180
    beginnings = {Episode(game).introduction() + str(game.contents) for game in games.values()}
    assert len(beginnings) == 180


def test_a_seed_says_everything() -> None:
    settings = GeneratorSettings(games=8)
    first, again, other = (GeneratedSource(settings, seed) for seed in (5, 5, 6))
    assert first.tasks() == again.tasks() != other.tasks()
    assert all(first.read(task.id) == again.read(task.id) for task in first.tasks())


def test_more_games_leave_the_first_ones_as_they_are() -> None:
    few, many = (GeneratedSource(GeneratorSettings(games=count), seed=2) for count in (3, 30))
    assert set(few.tasks()) < set(many.tasks())
    assert all(few.read(task.id) == many.read(task.id) for task in few.tasks())


def test_task_types_can_be_chosen() -> None:
    source = GeneratedSource(GeneratorSettings(games=4, task_types=("look_at_obj_in_light",)), seed=0)
    assert {task.type for task in source.tasks()} == {"look_at_obj_in_light"}
    with pytest.raises(UnknownTaskTypeError, match="pick_two_obj_and_place"):
        GeneratedSource(GeneratorSettings(task_types=("pick_two_objects",)), seed=0)


def test_horizon_sets_the_number_of_places_and_not_the_task() -> None:
    sources = [
        GeneratedSource(GeneratorSettings(games=12, horizon=horizon), 3)
        for horizon in ("short", "medium", "long")
    ]
    short, medium, long = (games_of(source) for source in sources)
    assert list(short) == list(medium) == list(long)
    assert all(len(game.receptacles) <= 6 for game in short.values())
    assert all(len(game.receptacles) <= 12 for game in medium.values())
    mean = [sum(len(game.receptacles) for game in games.values()) / 36 for games in (short, medium, long)]
    assert mean[0] < mean[1] < mean[2]


@pytest.mark.parametrize(("clutter", "least", "most"), [(0.0, 0.0, 0.0), (1.0, 0.8, 1.0)])
def test_clutter_is_the_share_of_places_with_other_objects(clutter: float, least: float, most: float) -> None:
    for game in games_of(GeneratedSource(GeneratorSettings(games=6, clutter=clutter), 0)).values():
        others = ~(game.targets | game.lamps | game.features.toggleable)
        cluttered = sum(bool(contents & others) for contents in game.contents)
        assert least <= cluttered / len(game.receptacles) <= most


def test_what_is_written_beside_a_game_names_its_task() -> None:
    source = GeneratedSource(GeneratorSettings(games=6), 0)
    for task in source.tasks():
        content = json.loads(source.traj_data(task.id))
        assert content["task_type"] == task.type
        assert f"-{content['pddl_params']['object_target']}-" in task.id


def test_everything_that_opens_in_the_room_is_known_to_open() -> None:
    world = read_world()
    assert len(world.rooms) == 120
    assert world.openable == {"Fridge", "Cabinet", "Microwave", "Drawer", "Safe"}
    assert world.accepts["DiningTable"] == world.accepts["SideTable"]
    assert "Mug" in world.accepts["CoffeeMachine"]
    assert "Mug" in world.actions["Heatable"]


def test_the_package_is_read_and_not_imported() -> None:
    program = (
        "import os, sys; from environments.alfworld.generator import GeneratedSource\n"
        "from configuration.environment import GeneratorSettings\n"
        "source = GeneratedSource(GeneratorSettings(games=1), 0); source.read(source.tasks()[0].id)\n"
        "assert 'alfworld' not in sys.modules and 'ALFWORLD_DATA' not in os.environ"
    )
    environment = {"PYTHONPATH": ":".join(sys.path), "PATH": ""}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_a_benchmark_of_generated_games_lists_them_sorted() -> None:
    benchmark = AlfworldBenchmark(GeneratedSource(GeneratorSettings(games=7), 0))
    assert benchmark.splits == SPLITS
    assert all(list(benchmark.tasks(split)) == sorted(benchmark.tasks(split)) for split in SPLITS)
