"""The experiment in small: exact gradients, an unbiased mean where theory says so, a lower variance."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from core.errors import ConfigurationError
from studies.tabular.critics import TwoHeadCritic
from studies.tabular.exact import exact_gradient, expected_return
from studies.tabular.sampling import sample
from studies.tabular.task import REWARD, errands, half_trained, policies_of
from studies.tabular.unbiasedness import CONDITIONS, LEVELS, examine, small_task
from studies.tabular.variance import ADAPTERS, POINTS, Outcome, compare
from studies.theory import main

EPISODES = 20_000
BY_NAME = {condition.name: condition for condition in CONDITIONS}


@pytest.mark.parametrize(("gamma", "keep_penalty"), [(1.0, 0.0), (0.9, -0.3)])
def test_the_exact_gradient_is_that_of_the_expected_return(gamma: float, keep_penalty: float) -> None:
    task = errands(places=3, number=2, horizon=5)
    logits = half_trained(task, 3.0, seed=1)
    gradient = exact_gradient(task, policies_of(*logits), gamma, keep_penalty)

    def returned(level: int, index: tuple[int, ...], step: float) -> float:
        moved = [table.copy() for table in logits]
        moved[level][index] += step
        return expected_return(task, policies_of(*moved), gamma, keep_penalty)

    for level, name in enumerate(("decision", "subgoal", "action")):
        exact = getattr(gradient, name)
        slopes = [
            (returned(level, index, 1e-5) - returned(level, index, -1e-5)) / 2e-5
            for index in np.ndindex(exact.shape)
        ]
        np.testing.assert_allclose(exact.ravel(), slopes, atol=1e-8)


def test_sampled_returns_agree_with_the_expected_return() -> None:
    task, policies = small_task(seed=0)
    success = sample(task, policies, EPISODES, np.random.default_rng(0)).success
    expected = expected_return(task, policies, 1.0, 0.0) / REWARD
    assert abs(success.mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / EPISODES)


@pytest.mark.parametrize(
    "name",
    [
        "exact values",
        "exact values, keep penalty, lambda_turn 0.9",
        "lambda_boundary 0.95, exact values",
        "lambda_boundary 1, lambda_segment 1, all values wrong",
        "dgae, exact values, lambda 0.5",
        "dgae, exact values, keep penalty, lambda 0.95",
        "dgae, all values wrong, lambda 1",
    ],
)
def test_where_theory_says_so_all_levels_are_unbiased(name: str) -> None:
    for finding in examine(BY_NAME[name], EPISODES, seed=0):
        result = finding.comparison
        assert abs(result.slope - 1) < 1.5 * result.slope_error
        assert result.slope_error < 0.15
        assert result.p_value > 1e-3


def test_a_wrong_high_value_biases_the_levels_that_end_in_it() -> None:
    found = examine(BY_NAME["V_high wrong, lambda_segment 1"], EPISODES, seed=0)
    p_values = {finding.level: finding.comparison.p_value for finding in found}
    assert p_values["subgoal"] > 1e-3
    assert p_values["decision"] < 1e-6
    assert p_values["action"] < 1e-6


def test_a_lower_level_is_biased_by_its_own_value_only_with_lambda_below_one() -> None:
    for name, biased in (
        ("V_low and V_switch wrong", False),
        ("V_low and V_switch wrong, lambda_turn 0.9", True),
    ):
        action = examine(BY_NAME[name], EPISODES, seed=0)[LEVELS.index("action")]
        assert (action.comparison.p_value < 1e-6) == biased


def outcomes_at(study: str, horizon: int, value_error: float) -> dict[tuple[str, str], Outcome]:
    wanted = (study, horizon, value_error)
    point = next(p for p in POINTS if (p.study, p.horizon, p.value_error) == wanted)
    return {(o.contender, o.adapter): o for o in compare(point, episodes=800, seed=0)}


def test_with_exact_values_hae_and_dgae_have_less_error_than_flat_gae_with_lambda_one() -> None:
    found = outcomes_at("horizon", 24, 0.0)
    for adapter in ADAPTERS:
        flat, hae, dgae = (found[name, adapter] for name in ("flat GAE 1", "HAE", "dgae 0.95"))
        assert hae.squared_error.high < flat.squared_error.low
        assert dgae.squared_error.high < 0.5 * flat.squared_error.low
        assert dgae.best
        assert dgae.squared_error.value == pytest.approx(dgae.variance.value, rel=0.1)


def test_with_wrong_values_the_error_of_hae_is_above_that_of_flat_gae() -> None:
    found = outcomes_at("value error", 24, 1.0)
    for adapter in ADAPTERS:
        error = {name: found[name, adapter].squared_error.value for name in ("HAE", "flat GAE 1")}
        assert error["HAE"] > 1.4 * error["flat GAE 1"]
        assert not found["HAE", adapter].best


def test_the_best_lambda_is_smaller_the_better_the_values_are() -> None:
    for adapter in ADAPTERS:
        exact, wrong = (outcomes_at("lambda", 48, error) for error in (0.0, 1.0))
        assert exact["dgae 0", adapter].best
        assert (
            wrong["dgae 0.95", adapter].squared_error.value < wrong["dgae 0.5", adapter].squared_error.value
        )


def test_groups_must_be_whole() -> None:
    with pytest.raises(ValueError, match="12 episodes cannot be divided into groups of 8"):
        list(compare(POINTS[0], episodes=12, seed=0))


def test_the_command_writes_page_plot_and_numbers(tmp_path: Path) -> None:
    small = ["--episodes", "5000", "--variance-episodes", "64", "--seed", "3"]
    assert main(["--out", str(tmp_path / "results"), *small]) == 0
    page = (tmp_path / "results" / "theory.md").read_text()
    assert "{" not in page
    assert page.count("| exact values |") == 1
    assert "seed 3, 5,000 episodes" in page
    assert (tmp_path / "results" / "theory.svg").read_text().rstrip().endswith("</svg>")
    numbers = json.loads((tmp_path / "results" / "theory.json").read_text())
    two_heads = sum(condition.critic is TwoHeadCritic for condition in CONDITIONS)
    assert len(numbers["findings"]) == 3 * len(CONDITIONS) - two_heads
    assert len(numbers["outcomes"]) == sum(2 * len(point.contenders) for point in POINTS)


@pytest.mark.parametrize(
    "arguments",
    [["--episodes", "8"], ["--variance-episodes", "50"], ["--episodes", "many"], ["--episode", "5"]],
)
def test_what_is_wrong_is_refused(arguments: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="episodes"):
        main([*arguments, "--out", "/nonexistent"])
