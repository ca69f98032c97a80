"""The settings, and that they can be read where torch is not wanted."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from hae import EstimatorSettings, Normalize, estimate
from hae.estimate import ESTIMATORS
from tests.hae.strategies import random_batch


def test_the_defaults_are_hipers_for_alfworld() -> None:
    settings = EstimatorSettings()
    assert (settings.gamma, settings.lambda_turn, settings.lambda_segment) == (1.0, 1.0, 0.95)
    assert (settings.keep_penalty.mode, settings.keep_penalty.value) == ("fixed", -0.3)
    assert (settings.lambda_boundary, settings.lambda_target) == (0.0, None)
    assert (settings.invalid_action_penalty, settings.success_reward) == (0.1, 10.0)


def test_one_flag_stands_for_all_levels() -> None:
    assert EstimatorSettings(normalize=False).normalize == Normalize(low=False, high=False, switch=False)
    assert EstimatorSettings.model_validate({"normalize": {"high": False}}).normalize == Normalize(high=False)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators_use_values_that_say_so(name: str) -> None:
    settings = EstimatorSettings.model_validate({"estimator": name})
    result = estimate(random_batch(0, [3, 4]), settings)
    assert settings.uses_values == (result.target_low is not None)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_dgae_alone_divides_all_levels_by_the_actions_deviation_unless_told_otherwise(name: str) -> None:
    settings = EstimatorSettings.model_validate({"estimator": name})
    assert settings.deviation == ("low" if name == "dgae" else "own")
    for told in ("own", "low"):
        given = EstimatorSettings.model_validate({"estimator": name, "normalize": {"deviation": told}})
        assert given.deviation == told


def test_dgae_keeps_the_ratio_of_its_levels() -> None:
    def ratio(normalize: bool) -> float:
        settings = EstimatorSettings.model_validate({"estimator": "dgae", "normalize": normalize})
        result = estimate(random_batch(0, [3, 4]), settings)
        assert result.switch is not None
        return float(result.switch.std() / result.low.std())

    assert ratio(True) == pytest.approx(ratio(False))


@pytest.mark.parametrize(
    "wrong",
    [
        {"gama": 1.0},
        {"gamma": 0.0},
        {"lambda_turn": 1.5},
        {"lambda_boundary": -0.1},
        {"lambda_decision": 1.1},
        {"lambda_target": 2.0},
        {"step_weight": -1.0},
        {"step_gamma": 0.0},
        {"normalize": {"deviation": "high"}},
        {"keep_penalty": {"mode": "fixed", "value": 0.3}},
        {"bootstrap": "first"},
        {"estimator": "reinforce"},
    ],
)
def test_what_is_wrong_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        EstimatorSettings.model_validate(wrong)


def test_the_library_loads_no_torch() -> None:
    program = "import sys, hae; sys.exit('torch' in sys.modules)"
    path = [entry for entry in sys.path if entry]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}; {program}"], check=False
    )
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("settings", "relied_on"),
    [
        ({}, ("high",)),
        ({"lambda_turn": 0.9}, ("high", "low")),
        ({"lambda_segment": 1.0}, ("high",)),
        ({"lambda_segment": 1.0, "lambda_boundary": 1.0}, ()),
        ({"estimator": "gae"}, ()),
        ({"estimator": "gae", "lambda_turn": 0.95}, ("high", "low", "switch")),
        ({"estimator": "dgae"}, ("high", "low", "switch")),
        ({"estimator": "dgae", "lambda_decision": 1.0}, ()),
        ({"estimator": "grpo"}, ()),
    ],
)
def test_an_estimator_relies_on_values_that_replace_a_part_of_the_return(
    settings: dict[str, Any], relied_on: tuple[str, ...]
) -> None:
    assert EstimatorSettings(**settings).relies_on == relied_on
