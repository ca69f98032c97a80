"""What each method changes in a horizon's configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from configuration.files import read_toml
from configuration.tree import Configuration
from studies.curves.horizons import HORIZONS, PRESETS
from studies.curves.methods import METHODS, Cell, configured


def made(method: str, preset: str = "nano.toml", group_size: int = 8) -> tuple[Configuration, Configuration]:
    base = Configuration.model_validate(read_toml(PRESETS / preset))
    return base, configured(base, Cell("tiny", method, 5e-4, 7), Path("/m"), group_size)


@pytest.mark.parametrize("preset", HORIZONS.values())
@pytest.mark.parametrize("method", METHODS)
def test_a_cell_changes_what_it_names_and_nothing_else(method: str, preset: str) -> None:
    base, cell = made(method, preset)
    assert (cell.run.seed, cell.ppo.learning_rate) == (7, 5e-4)
    assert {cell.planner.model, cell.executor.model, cell.learner.model} == {"/m"}
    assert (cell.environment, cell.critic, cell.lora) == (base.environment, base.critic, base.lora)
    assert cell.learner.episodes_per_update == base.learner.episodes_per_update
    assert cell.learner.updates == base.learner.updates
    assert cell.ppo.model_copy(update={"learning_rate": base.ppo.learning_rate}) == base.ppo


@pytest.mark.parametrize("method", METHODS)
def test_only_methods_without_values_compare_episodes_of_a_task(method: str) -> None:
    _, cell = made(method)
    assert cell.learner.group_size == (8 if method in ("grpo", "gigpo") else 1)


def test_methods_differ_in_the_settings_that_their_names_say() -> None:
    settings = {method: made(method)[1].estimator for method in METHODS}
    assert settings["hae"].lambda_boundary == 0 and settings["hae_boundary"].lambda_boundary == 0.95
    assert settings["gae"] == settings["no_hierarchy"]
    assert settings["gae"].lambda_turn == settings["dgae"].lambda_decision == 0.95
    assert [method for method in METHODS if not made(method)[1].planner.hierarchy] == ["no_hierarchy"]


def test_groups_that_do_not_fill_an_update_are_refused() -> None:
    with pytest.raises(ValueError, match="episodes_per_update = 48 is not a multiple"):
        made("grpo", group_size=5)


def test_every_method_has_a_title_and_a_colour_of_its_own() -> None:
    assert len({method.title for method in METHODS.values()}) == len(METHODS)
    assert len({method.colour for method in METHODS.values()}) == len(METHODS)
