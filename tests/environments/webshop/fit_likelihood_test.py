"""The weights by which products are rated, fitted to training goals."""

from __future__ import annotations

import json

import numpy as np
import pytest

from configuration.environment import EnvironmentSettings
from environments.webshop.fit_likelihood import (
    GOALS_PER_PRODUCT,
    RIDGE,
    examples_of,
    fit,
    fitted,
    logistic_regression,
    sampled,
)
from environments.webshop.likelihood import DESCRIBED, FILE, HIT, ITEM
from tests.environments.webshop.shops import synthetic_shop
from tests.shared_data import shared


def test_the_shipped_weights_are_those_of_the_training_goals() -> None:
    settings = {"name": "webshop", "data": shared("webshop"), "source": "real"}
    assert fit(EnvironmentSettings.model_validate(settings)) == FILE.read_text()


def test_the_regression_is_where_the_penalized_loss_is_smallest() -> None:
    random = np.random.default_rng(0)
    cues = np.c_[np.ones(400), random.normal(size=(400, 2))]
    wins = random.random(400) < 1 / (1 + np.exp(-cues @ [-0.5, 2.0, -1.0]))
    weights = random.random(400)

    def loss(found: np.ndarray) -> float:
        odds = cues @ found
        return float(
            np.average(np.logaddexp(0, odds) - wins * odds, weights=weights) + RIDGE / 2 * found @ found
        )

    found = logistic_regression(cues, wins, weights)
    assert found == pytest.approx([-0.5, 2.0, -1.0], abs=0.5)
    assert all(loss(found) < loss(found + sign * step) for step in np.eye(3) * 1e-3 for sign in (-1.0, 1.0))


def test_all_goals_of_a_product_weigh_the_root_of_their_number() -> None:
    shop = synthetic_shop()
    tasks = sampled(shop, seed=3)
    assert tasks == sampled(shop, seed=3) != sampled(shop, seed=4)
    goals = [task.id.rpartition("-")[0] for task in shop.tasks("train")]
    chosen = [task.id.rpartition("-")[0] for task in tasks]
    asin = max(chosen, key=goals.count)
    own = [task for task in tasks if task.id.startswith(asin)]
    assert len(own) == min(GOALS_PER_PRODUCT, goals.count(asin)) > 1
    per_goal = {example.weight for example in examples_of(shop, own)}
    assert len(per_goal) == 1
    assert per_goal.pop() * len(own) == pytest.approx(goals.count(asin) ** 0.5)


def test_what_is_known_of_a_product_grows_from_hit_to_features() -> None:
    shop = synthetic_shop()
    examples = list(examples_of(shop, sampled(shop, seed=0)[:40]))
    assert {example.wins for example in examples} == {True, False}
    hit, item, described = (set(examples[0].cues[kind]) for kind in (HIT, ITEM, DESCRIBED))
    assert hit < item and described - item == {"attributes"}
    weights = fitted(examples)
    assert {kind: set(row) for kind, row in weights.items()} == {HIT: hit, ITEM: item, DESCRIBED: described}
    assert json.loads(json.dumps(weights)) == weights
