"""`--dry-run` prints TOML that `--config` reads, and everything else as comments."""

from __future__ import annotations

import tomllib
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from configuration.command import read
from configuration.tree import Configuration
from core.errors import ConfigurationError
from environments.errors import EnvironmentDataError
from orchestrator.preflight.dry_run import dry_run, summary
from orchestrator.preflight.pools import Machine

SMALL = Machine(cores=2, gpus=0, memory=8 * 2**30)
GENERATED = {"source": "generated", "generator": {"games": 6}}


@pytest.fixture(autouse=True)
def nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    for name in ("ALFWORLD_DATA", "WEBSHOP_DATA"):
        monkeypatch.delenv(name, raising=False)


def configuration(model: str = "bundled", **sections: Any) -> Configuration:
    models = {name: {"model": model, **sections.pop(name, {})} for name in ("planner", "executor", "learner")}
    return Configuration.model_validate({"environment": GENERATED, **models, **sections})


def printed(of: Configuration, width: int = 80, terminal: bool = False) -> str:
    console = Console(file=StringIO(), width=width, force_terminal=terminal)
    assert dry_run(of, 80, console) == 0
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_output_is_a_configuration_file_for_the_same_run(tmp_path: Path, width: int) -> None:
    chosen = configuration(
        "owner/unheard-of[bold]", ppo={"clip": 0.3}, run={"dir": str(tmp_path / ("long " * 60))}
    )
    (tmp_path / "dry.toml").write_text(printed(chosen, width))
    assert read(["--config", str(tmp_path / "dry.toml")], "test").configuration == chosen


def test_comments_say_what_is_played_before_and_what_it_takes_after() -> None:
    lines = printed(configuration()).splitlines()
    assert lines[0] == "# 16 episodes of alfworld, 6 tasks in split train, model bundled"
    begin, end = (next(n for n, line in enumerate(lines) if line.startswith(mark)) for mark in ("[", "# mem"))
    assert all(line.startswith("# ") for line in lines[:begin])
    assert all(line.startswith("#") for line in lines[end:])
    assert any(line.split()[:3] == ["#", "planner", "weights"] for line in lines[end:])
    assert tomllib.loads("\n".join(lines))["learner"]["updates"] == 2


@pytest.mark.parametrize("gpus", [0, 1])
def test_the_last_line_says_what_a_machine_without_a_gpu_needs(
    gpus: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Machine, "this", lambda: Machine(2, gpus, 2**30))
    last = printed(configuration()).splitlines()[-1]
    said = last.startswith("# planner, executor, learner: up to ")
    assert said == last.endswith(" of this machine's 1.0 GiB, as it has no GPU") == (not gpus)
    vllm = {"engine": "vllm"}
    assert "this machine's" not in printed(configuration(planner=vllm, executor=vllm))


def test_the_table_is_as_wide_as_the_terminal_or_110_in_a_file() -> None:
    assert max(map(len, printed(configuration(), width=40).splitlines())) <= 2 + 110
    table = printed(configuration(), width=70, terminal=True).partition("memory, estimated")[2]
    assert "\x1b[" in table, "it has colours there"


def test_a_model_that_would_be_downloaded_is_missing_here() -> None:
    first, *rest = summary(configuration("owner/name"), SMALL)
    assert first.endswith("model owner/name")
    assert any(line.startswith("missing: model owner/name is not in ") for line in rest)


def test_data_that_is_not_here_is_missing_and_no_error() -> None:
    description, *rest = summary(
        configuration(environment={"source": "real"}, learner={"updates": 3, "episodes_per_update": 5}), SMALL
    )
    assert description == "15 episodes of alfworld, split train, model bundled"
    assert any(line.startswith("missing: ") and "ALFWORLD_DATA" in line for line in rest)
    output = printed(configuration(environment={"source": "real"}))
    assert tomllib.loads(output)["environment"]["source"] == "real"


def test_data_that_is_broken_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "games.tar.xz").write_bytes(b"not an archive")
    broken = configuration(environment={"data": str(tmp_path / "games.tar.xz")})
    with pytest.raises(EnvironmentDataError, match="is not a complete archive"):
        printed(broken)


def test_settings_that_contradict_each_other_are_an_error_without_data_too() -> None:
    with pytest.raises(ConfigurationError, match="lora.rank = 65"):
        printed(configuration(environment={"source": "real"}, lora={"rank": 65}))
