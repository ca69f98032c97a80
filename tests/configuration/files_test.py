"""Configuration files: what is written is read back, and what cannot be read is named."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configuration.environment import EnvironmentSettings, GeneratorSettings
from configuration.files import read_toml, to_toml
from configuration.run import RunSettings
from configuration.servers import ModelServerSettings, PlannerSettings
from configuration.tree import Configuration
from core.errors import ConfigurationError

CONFIGURATIONS = st.builds(
    Configuration,
    run=st.builds(
        RunSettings,
        dir=st.none() | st.text(min_size=1).map(Path),
        seed=st.integers(0, 2**63 - 1),
        wandb=st.none() | st.text(min_size=1),
        trackio=st.none() | st.text(min_size=1),
    ),
    environment=st.builds(
        EnvironmentSettings,
        name=st.text(),
        task_types=st.lists(st.text()).map(tuple),
        generator=st.builds(GeneratorSettings, clutter=st.floats(0, 1)),
    ),
    planner=st.builds(
        PlannerSettings, temperature=st.floats(0.01, 100), gpus=st.lists(st.integers(0, 9)).map(tuple)
    ),
)


@given(CONFIGURATIONS)
def test_any_configuration_is_read_back_as_it_was_written(configuration: Configuration) -> None:
    assert Configuration.model_validate(tomllib.loads(to_toml(configuration))) == configuration


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text('[planner]\nthreads = 3\nmodel = "é"\n', encoding="utf-8")
    assert read_toml(tmp_path / "run.toml") == {"planner": {"threads": 3, "model": "é"}}


def test_values_that_are_not_set_are_left_out() -> None:
    text = to_toml(RunSettings(wandb="project"))
    assert tomllib.loads(text) == {"resume": False, "seed": 0, "tensorboard": False, "wandb": "project"}
    assert "tls" in tomllib.loads(to_toml(ModelServerSettings()))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.toml: No such file"):
        read_toml(tmp_path / "nothing.toml")
    with pytest.raises(ConfigurationError, match="Is a directory"):
        read_toml(tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[planner\n", r"run\.toml is not TOML: .*line 1"),
        (b"a = 1\na = 2\n", "line 2"),
        (b"\xff\xfe", r"run\.toml is not TOML: "),
    ],
)
def test_what_is_not_toml_is_named_with_its_place(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "run.toml").write_bytes(content)
    with pytest.raises(ConfigurationError, match=reason):
        read_toml(tmp_path / "run.toml")
