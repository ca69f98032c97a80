"""The warm start on generated games, with a tiny model that reads bytes."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import peft
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from configuration.environment import EnvironmentSettings, GeneratorSettings
from configuration.learner import ImitationSettings, LearnerSettings, LoraSettings
from core.role import Role
from environments.benchmark import Benchmark
from environments.registry import load
from learner.imitation.demonstrations import Formats, lesson
from learner.imitation.lessons import training_lessons
from learner.imitation.steps import answer_order
from learner.imitation.teachers import teacher_of
from learner.imitation.teaching import WarmStart, WarmStartSettings, warm_start
from play.broken import TooManyBrokenError
from serving.adapters.folder import WEIGHTS_FILE
from serving.model import ModelFolder, load_tokenizer
from tests.environments.breaking import BreakingBenchmark, guarded
from tests.learner.imitation.byte_model import SERVER, byte_model
from trajectory.episode import Decision

SETTINGS = WarmStartSettings(
    imitation=ImitationSettings(steps=6, batch_turns=4, games=4, learning_rate=2e-2),
    lora=LoraSettings(rank=4, alpha=8),
    learner=LearnerSettings(dtype="float32", threads=1, pack_tokens=2048),
    planner=SERVER,
    executor=SERVER,
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return byte_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def benchmark() -> Benchmark:
    generator = GeneratorSettings(games=6, horizon="short", clutter=0.0)
    return load(EnvironmentSettings(source="generated", generator=generator))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIPER_CACHE", str(tmp_path / "cache"))


def _made(base: ModelFolder, benchmark: Benchmark, seed: int = 0) -> tuple[WarmStart, list[str]]:
    messages: list[str] = []
    made = warm_start(SETTINGS, base, benchmark, seed, lambda _, message: messages.append(message))
    return made, messages


def test_a_demonstration_is_an_episode_that_is_won(base: ModelFolder, benchmark: Benchmark) -> None:
    formats = Formats.of(load_tokenizer(base.path), SERVER, SERVER)
    environment = benchmark.environment()
    for task in benchmark.tasks("train"):
        steps = benchmark.demonstration(task)
        taught = lesson(benchmark, environment, task, formats, teacher_of(benchmark, "expert"))
        episode = asyncio.run(taught).episode
        assert episode.won and episode.terminated
        assert [turn.act.action for turn in episode.turns] == [step.action for step in steps]
        assert all(turn.plan.valid and turn.act.valid for turn in episode.turns)
        before = ""
        for turn, step in zip(episode.turns, steps, strict=True):
            switches = step.subgoal != before
            assert turn.plan.decision is (Decision.SWITCH if switches else Decision.KEEP)
            assert turn.plan.subgoal == step.subgoal
            before = step.subgoal


def test_only_training_tasks_are_shown(base: ModelFolder, benchmark: Benchmark) -> None:
    training = {task.id for task in benchmark.tasks("train")}
    formats = Formats.of(load_tokenizer(base.path), SERVER, SERVER)
    shown = training_lessons(SETTINGS.imitation, formats, benchmark, seed=0)
    assert len(shown) == 4
    assert {one.episode.key.task_id for one in shown} <= training


def test_a_demonstration_whose_environment_breaks_is_left_out_and_two_of_four_are_too_many(
    base: ModelFolder, benchmark: Benchmark, caplog: pytest.LogCaptureFixture
) -> None:
    formats = Formats.of(load_tokenizer(base.path), SERVER, SERVER)
    first, second, *others = (
        one.episode.key.task_id for one in training_lessons(SETTINGS.imitation, formats, benchmark, seed=0)
    )

    def lessons(*broken: str) -> list[str]:
        breaking = guarded(BreakingBenchmark(benchmark, {(task, 0): "nan" for task in broken}))
        taught = training_lessons(SETTINGS.imitation, formats, breaking, seed=0)
        return [one.episode.key.task_id for one in taught]

    assert lessons(first) == [second, *others]
    assert (
        f"a demonstration is left out: environment breaking, task {first}, turn 0: the reward" in caplog.text
    )
    with pytest.raises(TooManyBrokenError, match="2 of the 4 episodes of the demonstrations"):
        lessons(first, second)


def test_both_adapters_learn_and_peft_loads_them(base: ModelFolder, benchmark: Benchmark) -> None:
    made, _ = _made(base, benchmark)
    assert not made.cached
    for role, folder in made.adapters.items():
        assert made.losses[role][-1] < 0.8 * made.losses[role][0]
        peft.PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base.path), folder)


def test_the_planner_can_be_taught_in_fewer_steps(base: ModelFolder, benchmark: Benchmark) -> None:
    usual, _ = _made(base, benchmark)
    fewer = replace(SETTINGS, imitation=SETTINGS.imitation.model_copy(update={"planner_steps": 2}))
    shares: list[float] = []
    made = warm_start(fewer, base, benchmark, 0, lambda share, _: shares.append(share))
    assert {role: len(losses) for role, losses in made.losses.items()} == {Role.PLANNER: 2, Role.EXECUTOR: 6}
    assert shares == sorted(shares) and shares[-1] == 1.0
    of_both = [load_file(one.adapters.executor / WEIGHTS_FILE) for one in (usual, made)]
    assert all(torch.equal(tensor, of_both[1][name]) for name, tensor in of_both[0].items())


def test_the_second_time_it_is_found(base: ModelFolder, benchmark: Benchmark) -> None:
    first, _ = _made(base, benchmark)
    written = (first.adapters.planner / WEIGHTS_FILE).stat().st_mtime_ns
    second, messages = _made(base, benchmark)
    assert second.cached and second.adapters == first.adapters
    assert not any("step" in message for message in messages)
    assert (second.adapters.planner / WEIGHTS_FILE).stat().st_mtime_ns == written


def test_another_seed_makes_another_one(base: ModelFolder, benchmark: Benchmark) -> None:
    assert _made(base, benchmark, seed=0)[0].adapters != _made(base, benchmark, seed=1)[0].adapters


def test_a_failure_leaves_nothing_behind(base: ModelFolder, benchmark: Benchmark, tmp_path: Path) -> None:
    def stop(_: float, message: str) -> None:
        if message.startswith("imitation, executor"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        warm_start(SETTINGS, base, benchmark, 0, stop)
    left = list((tmp_path / "cache" / "warm-start").iterdir())
    assert [path.suffix for path in left] == [".lock"]
    assert not _made(base, benchmark)[0].cached


def test_the_turns_of_an_episode_can_stay_together() -> None:
    order = answer_order([3, 1, 2], 12, np.random.default_rng(0)).tolist()
    parts = [[0, 1, 2], [3], [4, 5]]
    for once in (order[:6], order[6:]):
        assert sorted(once) == [0, 1, 2, 3, 4, 5]
        places = [once.index(part[0]) for part in parts]
        assert [once[place : place + len(part)] for place, part in zip(places, parts, strict=True)] == parts
    assert answer_order([1] * 6, 4, np.random.default_rng(0)).tolist() == (
        np.random.default_rng(0).permutation(6)[:4].tolist()
    )


def test_lessons_with_mistakes_teach_what_would_have_been_right(
    base: ModelFolder, benchmark: Benchmark
) -> None:
    formats = Formats.of(load_tokenizer(base.path), SERVER, SERVER)
    chosen = ImitationSettings(teacher="adviser", mistakes=0.3, games=6)
    lessons = training_lessons(chosen, formats, benchmark, seed=0)
    done = [turn.act.action for one in lessons for turn in one.episode.turns]
    right = [step.action for one in lessons for step in one.right]
    mistakes = sum(d != r for d, r in zip(done, right, strict=True))
    assert 0.15 * len(done) < mistakes < 0.45 * len(done)
    assert any("Nothing happens" in turn.observation for one in lessons for turn in one.episode.turns)
    assert all(one.episode.won for one in lessons)
    again = training_lessons(chosen, formats, benchmark, seed=0)
    assert [one.right for one in again] == [one.right for one in lessons]


def _goals_and_successes(base: ModelFolder, chosen: ImitationSettings) -> list[tuple[str, bool]]:
    generator = GeneratorSettings(products=10)
    shop = load(EnvironmentSettings(name="webshop", source="generated", step_limit=15, generator=generator))
    formats = Formats.of(load_tokenizer(base.path), SERVER, SERVER)
    lessons = training_lessons(chosen, formats, shop, seed=0)
    return [(one.episode.goal.partition(" with ")[0], one.episode.won) for one in lessons]


def test_a_few_games_of_each_family_can_be_taught(base: ModelFolder) -> None:
    chosen = ImitationSettings(teacher="adviser", games=9)
    assert max(Counter(goal for goal, _ in _goals_and_successes(base, chosen)).values()) > 2
    few = _goals_and_successes(base, chosen.model_copy(update={"family_games": 2}))
    assert len(few) == 9 and max(Counter(goal for goal, _ in few).values()) == 2


def test_games_that_the_teacher_loses_can_be_left_out(base: ModelFolder) -> None:
    chosen = ImitationSettings(teacher="adviser", mistakes=0.5, games=12)
    played = _goals_and_successes(base, chosen)
    assert not all(won for _, won in played)
    won = _goals_and_successes(base, chosen.model_copy(update={"lost": False}))
    assert won == [each for each in played if each[1]]


def test_only_a_teacher_that_judges_by_what_it_sees_can_make_mistakes() -> None:
    with pytest.raises(
        ValidationError, match="imitation.mistakes = 0.2 needs imitation.teacher = adviser or decisive"
    ):
        ImitationSettings(mistakes=0.2)
