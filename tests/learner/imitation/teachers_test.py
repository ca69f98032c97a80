"""Teachers that make mistakes on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from configuration.environment import EnvironmentSettings, GeneratorSettings
from configuration.tree import Configuration
from environments.benchmark import DemonstrationStep, StepInfo
from environments.registry import load
from environments.telling import Telling
from learner.imitation.first import first_adapters
from learner.imitation.shipped import FOLDER
from learner.imitation.teachers import PolicyTeacher, TaughtTurn, WithoutSubgoals, teacher_of
from serving.adapters.pair import AdapterPair
from serving.model import ModelFolder, resolve_model

ADMISSIBLE = (("look", "go a", "hush"), ("look", "go b"), ("look", "go c"))


class Looker:
    """A player that always looks."""

    def __init__(self) -> None:
        self.begun: list[str] = []

    def begin(self, observation: str, info: StepInfo) -> None:
        self.begun.append(info["task_id"])

    def act(self, observation: str, info: StepInfo) -> DemonstrationStep:
        return DemonstrationStep("see", "look")


class Hushed(Telling):
    def hidden(self, action: str) -> bool:
        return action == "hush"


def info(admissible: tuple[str, ...], task: str) -> StepInfo:
    return StepInfo(
        admissible_actions=admissible, goal="goal", task_id=task, task_type="any", won=False, score=0.0
    )


def taught(mistakes: float, task: str = "task", seed: int = 0, turns: int = 60) -> list[TaughtTurn]:
    """The turns of an episode in which what is admissible changes in a circle of three."""
    teacher = PolicyTeacher(Looker(), Hushed(), mistakes, seed)
    teacher.begin("room", info(ADMISSIBLE[0], task))
    return [teacher.turn("room", info(ADMISSIBLE[turn % 3], task)) for turn in range(turns)]


def test_without_mistakes_the_player_s_own_steps_are_taught() -> None:
    assert taught(0.0) == [TaughtTurn(*[DemonstrationStep("see", "look")] * 2)] * 60


def test_mistakes_keep_the_subgoal_and_name_the_right_action() -> None:
    turns = taught(0.999)
    assert {turn.right for turn in turns} == {DemonstrationStep("see", "look")}
    assert {turn.step.subgoal for turn in turns} == {"see"}
    assert all(turn.step.action != "look" for turn in turns)


def test_mistakes_are_possible_or_were_so_before_and_never_hidden_while_admissible() -> None:
    turns = taught(0.999)
    seen: set[str] = set()
    impossible = 0
    for number, turn in enumerate(turns):
        now = ADMISSIBLE[number % 3]
        assert turn.step.action in now or turn.step.action in seen
        assert not (turn.step.action == "hush" and "hush" in now)
        impossible += turn.step.action not in now
        seen.update(now)
    assert turns[0].step.action == "go a", "nothing was seen before, and `hush` is hidden"
    # Half of 59 turns; a fair coin gives less than 15 or more than 44 once in ten thousand.
    assert 15 <= impossible <= 44


def test_a_share_of_the_turns_has_a_mistake() -> None:
    wrong = sum(turn.step.action != "look" for turn in taught(0.3, turns=600))
    # 180 expected, with a deviation of 11.
    assert 140 < wrong < 220


def test_mistakes_depend_on_task_and_seed_alone() -> None:
    assert taught(0.5) == taught(0.5)
    assert taught(0.5) != taught(0.5, task="other")
    assert taught(0.5) != taught(0.5, seed=1)


def test_with_nothing_wrong_to_do_the_right_action_is_played() -> None:
    teacher = PolicyTeacher(Looker(), Telling(), 0.999, 0)
    teacher.begin("room", info(("look",), "task"))
    assert teacher.turn("room", info(("look",), "task")).step.action == "look"


def test_without_subgoals_the_task_is_the_only_one_and_the_actions_are_the_same() -> None:
    teacher = WithoutSubgoals(PolicyTeacher(Looker(), Hushed(), 0.5, 0))
    teacher.begin("room", info(ADMISSIBLE[0], "task"))
    turns = [teacher.turn("room", info(ADMISSIBLE[turn % 3], "task")) for turn in range(60)]
    assert {turn.step.subgoal for turn in turns} == {"goal"}
    assert [turn.step.action for turn in turns] == [turn.step.action for turn in taught(0.5)]


@pytest.mark.parametrize("name", ["rule", "expert", "adviser"])
def test_a_benchmark_s_players_win_as_teachers(name: str) -> None:
    generator = GeneratorSettings(games=6, horizon="tiny")
    benchmark = load(EnvironmentSettings(source="generated", generator=generator))
    teacher, environment = teacher_of(benchmark, name), benchmark.environment()
    observation, now = environment.reset(seed=0, options={"task": benchmark.tasks("train")[0].id})
    teacher.begin(observation, now)
    terminated = truncated = False
    while not (terminated or truncated):
        turn = teacher.turn(observation, now)
        assert turn.step == turn.right
        observation, _, terminated, truncated, now = environment.step(turn.step.action)
    environment.close()
    assert now["won"]


def no_progress(share: float, text: str) -> None:
    raise AssertionError(f"nothing is taught here, but: {text}")


def test_a_run_without_a_warm_start_has_no_first_adapters() -> None:
    off = Configuration.model_validate({"imitation": {"enabled": False}})
    assert first_adapters(off, ModelFolder(Path("/nowhere"), "none", ""), no_progress) is None


def test_a_given_pair_without_lessons_is_taken_as_it_is() -> None:
    imitation = {"adapters": FOLDER / "webshop_transcript", "games": 0}
    given = Configuration.model_validate({"imitation": imitation})
    assert first_adapters(
        given, ModelFolder(Path("/nowhere"), "none", ""), no_progress
    ) == AdapterPair.within(FOLDER / "webshop_transcript")


def test_the_shipped_pair_is_taken_where_one_fits() -> None:
    pair = first_adapters(Configuration(), resolve_model("bundled"), no_progress)
    assert pair is not None
    assert all(folder.is_relative_to(FOLDER / "alfworld_compact") for _, folder in pair.items())
