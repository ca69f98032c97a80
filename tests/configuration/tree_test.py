"""The whole tree: files and command lines say the same as the configuration that they were made from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from configuration.command import SHORT_NAMES, read
from configuration.files import read_toml, to_toml
from configuration.keys import value_of
from configuration.tree import Configuration
from core.errors import ConfigurationError
from tests.configuration.trees import KEYS, nested, tables, value_of_key

SLOW_TO_DRAW = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
COMPANIONS = {
    "learner.group_size": ("--learner.episodes_per_update=24",),
    "learner.zero_stage": ("--learner.optimizer=deepspeed",),
    "learner.shard_base": ("--learner.ranks=2", "--learner.gradient_checkpointing=true"),
    "imitation.mistakes": ("--imitation.teacher=adviser",),
    "imitation.episodes": ("--imitation.teacher=adviser",),
    "imitation.games": ("--imitation.teacher=adviser", "--imitation.episodes=/run"),
    "planner.vllm": ("--planner.engine=vllm",),
    "executor.vllm": ("--executor.engine=vllm",),
    "environment.step_limits": ("--environment.mix=alfworld=3,webshop=1",),
    "planner.hierarchy": ("--estimator.keep_penalty.mode=none",),
}
"""Options that a key needs beside it, because not every value goes with the defaults of the others."""
TOGETHER = {name: sets for sets in SHORT_NAMES.values() for name in sets if name.endswith(".model")}


def typed(value: Any) -> str:
    """A value as it is typed on a command line."""
    if isinstance(value, tuple):
        return ",".join(map(typed, value))
    if isinstance(value, dict):
        return json.dumps(value)
    return "none" if value is None else str(value)


def can_be_typed(value: Any, default: Any) -> bool:
    """Whether `typed` loses nothing: commas separate, blanks around items are cut, `none` is not set."""
    if isinstance(value, tuple):
        return all(can_be_typed(item, "") and str(item).strip() == str(item) != "" for item in value)
    return not isinstance(value, str) or (
        "," not in value and not (default is None and value.lower() == "none")
    )


@SLOW_TO_DRAW
@given(values=tables())
def test_a_file_holds_the_whole_tree(
    values: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    made = Configuration.model_validate(nested(values))
    assert {name: value_of(made, name) for name in KEYS} == values
    file = tmp_path_factory.getbasetemp() / "whole.toml"
    file.write_text(to_toml(made), encoding="utf-8")
    assert Configuration.model_validate(read_toml(file)) == made
    assert read(["--config", str(file)], "test").configuration == made


@SLOW_TO_DRAW
@given(values=tables())
def test_a_command_line_holds_the_whole_tree(values: dict[str, Any]) -> None:
    assume(all(can_be_typed(value, KEYS[name].default) for name, value in values.items()))
    line = read([f"--{name}={typed(value)}" for name, value in values.items()], "test")
    assert line.configuration == Configuration.model_validate(nested(values))


@pytest.mark.parametrize("name", KEYS)
def test_each_key_is_set_by_its_own_option_and_nothing_else_is(name: str) -> None:
    default = KEYS[name].default
    values = st.sampled_from([2, 3, 24]) if name == "learner.group_size" else value_of_key(KEYS[name])

    @settings(deadline=None, max_examples=3, database=None)
    @given(values.filter(lambda value: value != default and can_be_typed(value, default)))
    def check(value: Any) -> None:
        sets = TOGETHER.get(name, (name,))
        companions = COMPANIONS.get(name, ())
        options = [word for each in sets for word in (f"--{each}", typed(value))]
        if typed(value).startswith("-"):
            options = [f"--{each}={typed(value)}" for each in sets]
        got = read([*companions, *options], "test").configuration
        without = read(companions, "test").configuration
        assert all(value_of(got, each) == value for each in sets)
        assert [k for k in KEYS if k not in sets and value_of(got, k) != value_of(without, k)] == []

    check()


@given(st.sampled_from(sorted(KEYS)))
def test_a_default_may_be_said_aloud(name: str) -> None:
    words = [f"--{name}", typed(KEYS[name].default)]
    assert read(words, "test").configuration == Configuration()


def test_items_of_a_list_may_have_blanks_around_them_and_empty_ones_are_left_out() -> None:
    line = read(["--lora.targets", " q_proj ,, v_proj,", "--planner.gpus", ""], "test")
    assert line.configuration.lora.targets == ("q_proj", "v_proj")
    assert line.configuration.planner.gpus == ()


def test_the_last_of_two_equal_options_counts(tmp_path: Path) -> None:
    for name, threads in (("first.toml", 3), ("second.toml", 4)):
        (tmp_path / name).write_text(f"[planner]\nthreads = {threads}\n")
    files = ["--config", str(tmp_path / "first.toml"), "--config", str(tmp_path / "second.toml")]
    assert read(files, "test").configuration.planner.threads == 4
    assert read(["--seed", "1", "--run.seed=2"], "test").configuration.run.seed == 2


@pytest.mark.parametrize(
    "option",
    [
        "planner.temperature=inf",
        "planner.temperature=nan",
        "planner.temperature=0.001",
        "executor.temperature=101",
        "ppo.learning_rate=inf",
        "ppo.planner_learning_rate=inf",
        "ppo.kl_coefficient=inf",
        "ppo.entropy_coefficient=inf",
        "ppo.importance_band=nan,5",
        "ppo.importance_band=0.5,nan",
        "ppo.importance_band=5,0.5",
        "critic.penalties=1,inf",
        "imitation.learning_rate=inf",
        "orchestrator.call_seconds=inf",
        "pool.patience_seconds=nan",
        "planner.drain_seconds=inf",
    ],
)
def test_numbers_that_no_update_could_use_are_refused_by_name(option: str) -> None:
    with pytest.raises(ConfigurationError, match=option.partition("=")[0].replace(".", r"\.")):
        read([f"--{option}"], "test")


def test_bounds_that_limit_nothing_are_accepted() -> None:
    line = read(
        ["--ppo.importance_band=0,inf", "--ppo.importance_cap=inf", "--planner.temperature=0"], "test"
    )
    assert line.configuration.ppo.importance_band == (0.0, float("inf"))
    assert line.configuration.planner.temperature == 0
