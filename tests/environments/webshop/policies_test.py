"""Scripted shoppers, demonstrations and the lines that every result is read beside."""

from itertools import groupby

import pytest

from environments.errors import UnknownPolicyError
from environments.webshop.expert import BUY, FIND
from environments.webshop.outcomes import ceiling, play, sample
from environments.webshop.pages import SEPARATOR
from tests.environments.webshop.shops import real_shop, synthetic_shop


def test_every_synthetic_goal_is_met_by_its_demonstration() -> None:
    shop = synthetic_shop()
    for split in shop.splits:
        tasks = shop.tasks(split)
        assert ceiling(tasks, shop.book).success_rate == 1.0
        assert play(shop.environment(), tasks, shop.policy("expert", 0)).success_rate == 1.0


def test_the_expert_meets_every_real_goal_that_can_be_met() -> None:
    shop = real_shop(step_limit=15)
    tasks = [*sample(shop.tasks("train"), 700), *shop.tasks("human")]
    best = ceiling(tasks, shop.book)
    played = play(shop.environment(), tasks, shop.policy("expert", 0))
    assert played == best
    assert 0.9 < played.success_rate < 1.0


def test_the_rule_reaches_its_recorded_score() -> None:
    shop = real_shop("hiper")
    tasks = [*shop.tasks("train"), *shop.tasks("valid")]
    outcome = play(shop.environment(), tasks, shop.policy("rule", 0))
    assert outcome.mean == pytest.approx(0.788, abs=5e-4)
    assert outcome.success_rate == pytest.approx(0.525, abs=5e-4)


def test_the_rule_clicks_on_what_stands_on_the_page_letter_for_letter() -> None:
    shop = synthetic_shop()
    environment, player = shop.environment(), shop.policy("rule", 0)
    for task in shop.tasks("valid"):
        observation, info = environment.reset(seed=0, options={"task": task.id})
        player.begin(observation, info)
        ended = False
        while not ended:
            action = player.act(observation, info).action
            name, _, target = action.removesuffix("]").partition("[")
            assert name == "search" or target in observation.split(SEPARATOR)
            observation, _, terminated, truncated, info = environment.step(action)
            ended = terminated or truncated


def test_random_shoppers_rarely_succeed() -> None:
    shop = real_shop("hiper", 15)
    outcome = play(shop.environment(), shop.tasks("valid"), shop.policy("random", 0))
    assert outcome.mean < 0.15 and outcome.success_rate < 0.02


def test_a_random_shopper_repeats_itself_for_a_seed() -> None:
    shop = synthetic_shop()
    first, second, other = (
        play(shop.environment(), shop.tasks("valid"), shop.policy("random", seed)) for seed in (1, 1, 2)
    )
    assert first == second != other


def test_a_demonstration_goes_through_the_subgoals_in_order() -> None:
    shop = synthetic_shop()
    for task in shop.tasks("valid"):
        subgoals = [step.subgoal for step in shop.demonstration(task)]
        assert [subgoal for subgoal, _ in groupby(subgoals)] == [FIND, BUY]
        assert subgoals.count(FIND) >= 2


def test_the_reference_lines_name_ceiling_and_both_baselines() -> None:
    best, rule, random = synthetic_shop().reference_lines("valid")
    assert best.startswith("ceiling: success 100.0%")
    assert rule.startswith("rule baseline: score ") and random.startswith("random baseline: score 0.")


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(UnknownPolicyError, match="expert, random, rule"):
        synthetic_shop().policy("greedy", 0)


def test_a_sample_is_spread_evenly() -> None:
    tasks = synthetic_shop().tasks("train")
    assert sample(tasks, 3) == (tasks[0], tasks[len(tasks) // 3], tasks[2 * len(tasks) // 3])
    assert sample(tasks, 10**6) == tasks
