"""An environment that has nothing to say about how it is told, though it looks like ALFWorld."""

from __future__ import annotations

import asyncio

import pytest

from configuration.servers import PromptFormat
from environments.benchmark import StepInfo, Task
from environments.telling import Telling
from executor.prompt import ExecutorPrompt
from planner.prompt import PlannerPrompt
from play.players import OneOfEach, Players
from play.telling import shown, told
from serving.model import load_tokenizer, resolve_model
from tests.play.answers import act, lease, switch
from trajectory.episode import Act, AdmissibleAction, Plan, Told, TurnContext
from trajectory.fence import Fence

TOKENIZER = load_tokenizer(resolve_model("bundled").path)
TASK = Task("task", "any", "train")
WELCOME = (
    "-= Welcome to TextWorld, ALFRED! =- You are in the middle of a room. Looking quickly around you, "
    "you see a mug 1. Your task is to: win."
)
ARRIVED = "You arrive at shelf 1. On the shelf 1, you see nothing."
ACTIONS = ("look", "help", "go to shelf 1", "click[look]")


class Plain:
    """A benchmark as `Players` knows it."""

    name = "plain"
    telling = Telling()


class Game:
    """Won by `win`, which nobody says; every other action shows the same."""

    def reset(self, **_: object) -> tuple[str, StepInfo]:
        return WELCOME, self._info(won=False)

    def step(self, action: str) -> tuple[str, float, bool, bool, StepInfo]:
        won = action == "win"
        return ARRIVED, float(won), won, False, self._info(won)

    def _info(self, won: bool) -> StepInfo:
        return StepInfo(
            admissible_actions=ACTIONS,
            goal="win.",
            task_id="task",
            task_type="any",
            won=won,
            score=float(won),
        )


class Models:
    """Do what they are told, and keep the texts of their prompts."""

    def __init__(self, format: PromptFormat) -> None:
        self._planner = PlannerPrompt(TOKENIZER, format, 64, 4096)
        self._executor = ExecutorPrompt(TOKENIZER, format, 64, 4096)
        self.planner_prompts: list[str] = []
        self.executor_prompts: list[str] = []

    async def plan(self, context: TurnContext, seed: int, fence: Fence | None = None) -> Plan:
        self.planner_prompts.append(TOKENIZER.decode(self._planner.render(context)))
        return switch("try something")

    async def act(
        self,
        context: TurnContext,
        actions: tuple[AdmissibleAction, ...],
        seed: int,
        fence: Fence | None = None,
    ) -> Act:
        self.executor_prompts.append(TOKENIZER.decode(self._executor.render(context, actions)))
        return act(("look", "help", "win")[context.turn])

    async def prompt(self, *_: object) -> tuple[int, ...]:
        raise NotImplementedError


@pytest.mark.parametrize("format", ["compact", "paper", "transcript", "nano"])
def test_both_models_are_told_of_look_and_help_and_nothing_is_shortened(format: PromptFormat) -> None:
    models = Models(format)
    players = Players(OneOfEach(models, models), Plain(), history=64, final_prompts=False)  # type: ignore[arg-type]
    assert asyncio.run(players.play(lease(), TASK, Game())).won
    for prompts in (models.planner_prompts, models.executor_prompts):
        for done in ("look", "help"):
            assert any(
                f"{mark}{done}" in prompts[2] for mark in ("\n>", "Did: ", "Action 1: '", "Action 2: '")
            )
        assert WELCOME in prompts[0]
        assert ARRIVED in prompts[2]
    if format != "nano":
        first = models.executor_prompts[0].partition(WELCOME)[2]
        assert all(action in first for action in ACTIONS)


class Terse(Telling):
    def told(self, before: str, observation: str, goal: str) -> str:
        return f"{before}|{observation}|{goal}"

    def follows(self, action: str) -> bool:
        return action == "look"

    def hidden(self, action: str) -> bool:
        return action == "help"

    def place(self, action: str) -> str:
        return action[-1] if action.startswith("go ") else ""


def test_a_telling_is_given_lines_and_told_what_is_shown_before() -> None:
    assert told(Terse(), "", "a\n b", " g ") == Told("|a b|g", "|a b|g")
    assert told(Terse(), "x\ty", "a", "g") == Told("|a|g", "x y|a|g")


def test_hidden_actions_are_left_out_and_the_others_keep_their_order() -> None:
    assert shown(Terse(), ("wait", "help", "look", "go b")) == (
        AdmissibleAction("wait"),
        AdmissibleAction("look", follows=True),
        AdmissibleAction("go b", place="b"),
    )
