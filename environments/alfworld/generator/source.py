"""The source of generated games: the same seed gives the same games."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass

from configuration.environment import GeneratorSettings
from environments.alfworld.compiler import compile_game
from environments.alfworld.errors import GameFileError
from environments.alfworld.game_file import GameFile
from environments.alfworld.generator.draw import Draw, draw
from environments.alfworld.generator.package import read_world
from environments.alfworld.generator.problem_text import problem_text
from environments.alfworld.generator.scene import furnish
from environments.alfworld.goal_text import word_goal
from environments.alfworld.goals import Goal
from environments.alfworld.plan import plan
from environments.alfworld.task_types import TaskType, read_task_type
from environments.benchmark import Task

SPLITS = ("train", "valid_seen", "valid_unseen")
"""Splits: the first two share rooms, as in the release; the third has rooms of its own."""

_ATTEMPTS = 20
"""Number of times to furnish a game's room anew until the task can be solved."""


@dataclass(frozen=True)
class _Origin:
    """All that a game is made from."""

    split: str
    index: int
    draw: Draw


class GeneratedSource:
    """Makes games on demand: game i of a split depends only on the seed, the split, i and the settings.

    Every game is known to be solvable: its walkthrough was played, and its last action won.
    """

    def __init__(self, settings: GeneratorSettings, seed: int) -> None:
        """Raises `UnknownTaskTypeError`, and `MissingDependencyError` if alfworld is not installed."""
        self.settings = settings
        self.seed = seed
        self._world = read_world()
        self._rooms = {room.scene: room for room in self._world.rooms}
        self._types = [read_task_type(name) for name in settings.task_types] or list(TaskType)
        origins = (self._origin(split, index) for split in SPLITS for index in range(settings.games))
        self._origins = {self._task_id(origin): origin for origin in origins}

    def tasks(self) -> tuple[Task, ...]:
        return tuple(
            sorted(
                Task(task_id, origin.draw.task_type, origin.split)
                for task_id, origin in self._origins.items()
            )
        )

    def read(self, task_id: str) -> bytes:
        """The game as a `game.tw-pddl` file, which stock TextWorld loads too."""
        origin = self._origins[task_id]
        for attempt in range(_ATTEMPTS):
            rng = self._rng(origin.split, origin.index, f"scene {attempt}")
            goal_text, problem = self._problem(origin, rng, task_id)
            walkthrough = plan(compile_game(GameFile(problem, goal_text, ()), task_id))
            if walkthrough is not None:
                return self._file(goal_text, problem, walkthrough)
        raise GameFileError(task_id, f"none of {_ATTEMPTS} attempts gave a game that can be solved")

    def traj_data(self, task_id: str) -> bytes:
        """The `traj_data.json` that alfworld expects beside a game, with what text games need of it."""
        drawn = self._origins[task_id].draw
        lamp = drawn.place_class if drawn.task_type is TaskType.LOOK else ""
        content = {
            "task_id": task_id.rpartition("/")[2],
            "task_type": drawn.task_type,
            "pddl_params": {
                "mrecep_target": "",
                "object_sliced": False,
                "object_target": drawn.object_class,
                "parent_target": "" if lamp else drawn.place_class,
                "toggle_target": lamp,
            },
            "turk_annotations": {"anns": []},
            "scene": {"floor_plan": f"FloorPlan{drawn.scene}", "scene_num": drawn.scene},
        }
        return json.dumps(content).encode()

    def _origin(self, split: str, index: int) -> _Origin:
        task_type = self._types[index % len(self._types)]
        rng = self._rng(split, index, "task")
        return _Origin(split, index, draw(rng, task_type, unseen=split == "valid_unseen"))

    def _rng(self, split: str, index: int, purpose: str) -> random.Random:
        return random.Random(f"alfworld {self.seed} {split} {index} {purpose}")

    def _task_id(self, origin: _Origin) -> str:
        """An id in the form of the release, which shows the type, the object and the room."""
        drawn = origin.draw
        words = (drawn.task_type, drawn.object_class, "None", drawn.place_class, str(drawn.scene))
        return f"{origin.split}/{'-'.join(words)}/trial_G{self.seed}_{origin.index:06d}"

    def _problem(self, origin: _Origin, rng: random.Random, task_id: str) -> tuple[str, str]:
        """The task in words and the PDDL problem of one furnished room."""
        drawn = origin.draw
        goal = Goal(drawn.task_type, drawn.object_class.lower(), drawn.place_class.lower())
        scene = furnish(rng, drawn, self._rooms[drawn.scene], self._world, self.settings)
        problem = problem_text(scene, goal, self._world, task_id.rpartition("/")[2])
        return word_goal(goal, rng.randrange(2)) + ".", problem

    def _file(self, goal_text: str, problem: str, walkthrough: tuple[str, ...]) -> bytes:
        content = {
            "pddl_domain": self._world.domain,
            "grammar": self._world.grammar.replace("UNKNOWN GOAL.", goal_text),
            "pddl_problem": problem,
            "solvable": True,
            "walkthrough": walkthrough,
        }
        return json.dumps(content).encode()
