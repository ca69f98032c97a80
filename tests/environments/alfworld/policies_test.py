"""Demonstrations, and the scripted players."""

from __future__ import annotations

import pytest

from configuration.environment import GeneratorSettings
from environments.alfworld.benchmark import AlfworldBenchmark
from environments.alfworld.generator import GeneratedSource
from environments.errors import UnknownPolicyError
from environments.evaluation import evaluate


@pytest.fixture(scope="module")
def benchmark() -> AlfworldBenchmark:
    return AlfworldBenchmark(GeneratedSource(GeneratorSettings(games=36), seed=11))


def demonstrated(benchmark: AlfworldBenchmark, task_type: str) -> list[tuple[str, str]]:
    task = next(task for task in benchmark.tasks("train") if task.type == task_type)
    return [(step.subgoal, step.action) for step in benchmark.demonstration(task)]


def test_the_expert_always_wins(benchmark: AlfworldBenchmark) -> None:
    outcomes = evaluate(benchmark, benchmark.policy("expert", 0), "valid_unseen")
    assert all(outcome.won and outcome.score == 1.0 for outcome in outcomes)


def test_the_rule_player_nearly_always_wins(benchmark: AlfworldBenchmark) -> None:
    outcomes = evaluate(benchmark, benchmark.policy("rule", 0), "valid_unseen")
    assert sum(outcome.won for outcome in outcomes) >= 34


def test_the_adviser_wins_although_every_third_action_is_not_its_own(benchmark: AlfworldBenchmark) -> None:
    environment, player = benchmark.environment(), benchmark.policy("adviser", 0)
    won = 0
    for task in benchmark.tasks("train"):
        observation, info = environment.reset(options={"task": task.id})
        player.begin(observation, info)
        turn, over = 0, False
        while not over:
            said = player.act(observation, info).action
            disturbed = info["admissible_actions"][turn % 7] if turn % 3 == 1 else said
            observation, _, terminated, truncated, info = environment.step(disturbed)
            turn, over = turn + 1, terminated or truncated
        won += info["won"]
    assert won == 36


def test_the_adviser_always_wins(benchmark: AlfworldBenchmark) -> None:
    outcomes = evaluate(benchmark, benchmark.policy("adviser", 0), "valid_unseen")
    assert all(outcome.won for outcome in outcomes)


def test_the_rule_player_has_to_search(benchmark: AlfworldBenchmark) -> None:
    rule, expert = (evaluate(benchmark, benchmark.policy(name, 0), "train") for name in ("rule", "expert"))
    assert sum(outcome.steps for outcome in rule) > 1.3 * sum(outcome.steps for outcome in expert)


def test_a_random_player_is_repeated_by_its_seed(benchmark: AlfworldBenchmark) -> None:
    def actions(seed: int) -> list[str]:
        environment, player = benchmark.environment(), benchmark.policy("random", seed)
        observation, info = environment.reset(options={"task": benchmark.tasks("train")[0].id})
        player.begin(observation, info)
        said = []
        for _ in range(10):
            said.append(player.act(observation, info).action)
            assert said[-1] in info["admissible_actions"]
            observation, _, _, _, info = environment.step(said[-1])
        return said

    assert actions(1) == actions(1) != actions(2)


def test_an_unknown_player_is_refused_with_the_known_ones(benchmark: AlfworldBenchmark) -> None:
    with pytest.raises(UnknownPolicyError, match=r"Did you mean expert.*adviser, expert, random, rule"):
        benchmark.policy("exprt", 0)


@pytest.mark.parametrize(
    ("task_type", "verbs"),
    [
        ("pick_and_place_simple", ["find", "put"]),
        ("look_at_obj_in_light", ["find", "turn"]),
        ("pick_clean_then_place_in_recep", ["find", "clean", "put"]),
        ("pick_heat_then_place_in_recep", ["find", "heat", "put"]),
        ("pick_cool_then_place_in_recep", ["find", "cool", "put"]),
        ("pick_two_obj_and_place", ["find", "put", "find", "put"]),
    ],
)
def test_a_demonstration_is_the_walkthrough_in_subgoals(
    benchmark: AlfworldBenchmark, task_type: str, verbs: list[str]
) -> None:
    steps = demonstrated(benchmark, task_type)
    subgoals = [subgoal for n, (subgoal, _) in enumerate(steps) if n == 0 or steps[n - 1][0] != subgoal]
    assert [subgoal.split()[0] for subgoal in subgoals] == verbs
    task = next(task for task in benchmark.tasks("train") if task.type == task_type)
    assert tuple(action for _, action in steps) == benchmark.game(task.id).walkthrough


def test_rule_player_and_demonstrations_word_subgoals_alike(benchmark: AlfworldBenchmark) -> None:
    for task in benchmark.tasks("valid_seen"):
        environment, player = benchmark.environment(), benchmark.policy("rule", 0)
        observation, info = environment.reset(options={"task": task.id})
        player.begin(observation, info)
        said, over = set(), False
        while not over:
            step = player.act(observation, info)
            said.add(step.subgoal)
            observation, _, terminated, truncated, info = environment.step(step.action)
            over = terminated or truncated
        assert said <= {step.subgoal for step in benchmark.demonstration(task)}
