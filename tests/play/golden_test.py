"""Prompts of recorded episodes, against those of commit be4193a, which shipped adapters were taught on.

Four prompts of each role are newer: since 722ff2f, a transcript that does not fit loses turns in blocks.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from configuration.environment import EnvironmentSettings, GeneratorSettings
from environments.benchmark import StepInfo, Task
from environments.registry import load
from executor.prompt import ExecutorPrompt
from planner.prompt import PlannerPrompt
from play.players import OneOfEach, Players
from serving.model import load_tokenizer, resolve_model
from tests.play.answers import act, keep, lease, switch
from trajectory.episode import Act, AdmissibleAction, Plan, TurnContext
from trajectory.fence import Fence

GOLDEN = Path(__file__).parent / "golden"
TOKENIZER = load_tokenizer(resolve_model("bundled").path)


class Recording:
    """A recorded episode: the environment, and planner and executor that say what was said."""

    def __init__(self, recorded: dict[str, Any]) -> None:
        """`prompts` of the recording has a list of digests for each `format/history/context length/role`."""
        self._goal, self._turns = recorded["goal"], recorded["turns"]
        shapes = {name.rpartition("/")[0] for name in recorded["prompts"]}
        self._planners = {shape: PlannerPrompt(TOKENIZER, *settings(shape)) for shape in shapes}
        self._executors = {shape: ExecutorPrompt(TOKENIZER, *settings(shape)) for shape in shapes}
        self.prompts: dict[str, list[str]] = {name: [] for name in recorded["prompts"]}

    def reset(self, **_: object) -> tuple[str, StepInfo]:
        self._turn = 0
        return self._turns[0]["observation"], self._info()

    def step(self, action: str) -> tuple[str, float, bool, bool, StepInfo]:
        assert action == self._turns[self._turn]["action"]
        self._turn += 1
        if self._turn == len(self._turns):
            self._turn -= 1
            return "The end.", 0.0, False, True, self._info()
        return self._turns[self._turn]["observation"], 0.0, False, False, self._info()

    async def plan(self, context: TurnContext, seed: int, fence: Fence | None = None) -> Plan:
        for shape, prompt in self._planners.items():
            self.prompts[f"{shape}/p"].append(digest(prompt.render(context)))
        subgoal = self._turns[self._turn]["subgoal"]
        return keep(subgoal) if subgoal == context.subgoal else switch(subgoal)

    async def act(
        self,
        context: TurnContext,
        actions: tuple[AdmissibleAction, ...],
        seed: int,
        fence: Fence | None = None,
    ) -> Act:
        for shape, prompt in self._executors.items():
            self.prompts[f"{shape}/x"].append(digest(prompt.render(context, actions)))
        return act(self._turns[self._turn]["action"])

    async def prompt(self, *_: object) -> tuple[int, ...]:
        raise NotImplementedError

    def _info(self) -> StepInfo:
        return StepInfo(
            admissible_actions=tuple(self._turns[self._turn]["admissible"]),
            goal=self._goal,
            task_id="task",
            task_type="any",
            won=False,
            score=0.0,
        )


def settings(shape: str) -> tuple[Any, int, int]:
    """Format, history and context length."""
    name, history, context_length = shape.split("/")
    return name, int(history), int(context_length)


def digest(ids: tuple[int, ...]) -> str:
    return hashlib.sha256(json.dumps(list(ids)).encode()).hexdigest()[:16]


@pytest.mark.parametrize("name", ["alfworld", "webshop"])
def test_prompts_are_those_that_the_shipped_adapters_were_taught_on(name: str) -> None:
    recorded = json.loads((GOLDEN / f"{name}.json").read_text())
    small = GeneratorSettings(games=6, products=10)
    benchmark = load(EnvironmentSettings(name=name, source="generated", generator=small))
    played = Recording(recorded)
    players = Players(OneOfEach(played, played), benchmark, history=64, final_prompts=False)
    episode = asyncio.run(players.play(lease(), Task("task", "any", "train"), played))
    assert len(episode.turns) == len(recorded["turns"])
    assert played.prompts == recorded["prompts"]
