"""What is checked before anything is loaded."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from configuration.tree import Configuration
from core.errors import ConfigurationError, HiperError, NotFoundError
from environments.benchmark import Task
from environments.errors import DataNotFoundError, UnknownSplitError
from environments.registry import LOADERS
from orchestrator.preflight.checks import check_inputs, check_model, check_settings, missing_model
from run_folder.folder import RunFolder
from run_folder.store import EpisodeStore

GENERATED = {"environment": {"source": "generated", "generator": {"games": 6}}}


@pytest.fixture(autouse=True)
def no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub; relative paths begin in an empty folder."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    for name in ("ALFWORLD_DATA", "WEBSHOP_DATA"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "hub"


def configuration(**sections: Any) -> Configuration:
    return Configuration.model_validate({**GENERATED, **sections})


def with_model(name: str) -> Configuration:
    return configuration(planner={"model": name}, executor={"model": name}, learner={"model": name})


def test_what_will_be_played_is_described() -> None:
    inputs = check_inputs(configuration(learner={"updates": 3, "episodes_per_update": 4}))
    assert inputs.benchmark.name == "alfworld"
    assert inputs.tasks == inputs.benchmark.tasks("train")
    assert inputs.description == "12 episodes of alfworld, 6 tasks in split train, model bundled"


def test_another_split_and_environment() -> None:
    webshop = {"name": "webshop", "source": "generated", "generator": {"products": 20}}
    inputs = check_inputs(configuration(environment=webshop, orchestrator={"split": "valid"}))
    assert inputs.description.startswith("16 episodes of webshop, ")
    assert {task.split for task in inputs.tasks} == {"valid"}


def test_a_pair_to_start_from_that_is_not_there_is_told_before_anything_starts(tmp_path: Path) -> None:
    imitation = {"adapters": tmp_path, "games": 0}
    with pytest.raises(NotFoundError, match="imitation.adapters: there is no .*planner.adapter_config.json"):
        check_settings(configuration(imitation=imitation))
    check_settings(configuration(imitation={**imitation, "enabled": False}))


def test_a_run_to_learn_from_that_is_not_there_is_told_before_anything_starts(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    chosen = configuration(imitation={"teacher": "adviser", "episodes": (folder,)})
    with pytest.raises(NotFoundError, match=f"no episodes at {folder}"):
        check_settings(chosen)
    folder.mkdir()
    EpisodeStore(RunFolder(folder).episodes, "run").close()
    check_settings(chosen)


def test_an_option_that_vllm_does_not_have_is_refused_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = configuration(executor={"engine": "vllm", "vllm": {"quantisation": "fp8"}})
    monkeypatch.setattr("serving.vllm_options._known_options", lambda: None)
    check_settings(chosen)
    monkeypatch.setattr("serving.vllm_options._known_options", lambda: frozenset({"quantization"}))
    with pytest.raises(ConfigurationError, match=r"executor.vllm.quantisation: .* Did you mean quantization"):
        check_settings(chosen)


def test_a_thought_takes_room_from_the_prompt() -> None:
    check_settings(configuration(planner={"think": 999, "context_length": 1024}))
    with pytest.raises(ConfigurationError, match=r"planner.think = 1000 leave no room for a prompt"):
        check_settings(configuration(planner={"think": 1000, "context_length": 1024}))


def test_a_mix_divides_every_batch_by_its_shares() -> None:
    mix = {
        "source": "generated",
        "mix": ["alfworld=2", "webshop=1"],
        "generator": {"games": 6, "products": 20},
    }
    inputs = check_inputs(
        configuration(environment=mix, learner={"episodes_per_update": 12, "group_size": 2})
    )
    assert inputs.description.startswith("24 episodes of alfworld+webshop, ")
    assert [part.share for part in inputs.parts] == [2, 1]
    with pytest.raises(ConfigurationError, match="has 3 shares, into which the 4 groups of an update cannot"):
        check_settings(configuration(environment=mix, learner={"episodes_per_update": 8, "group_size": 2}))


def test_an_unknown_split_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownSplitError, match="Did you mean valid_seen"):
        check_inputs(configuration(orchestrator={"split": "valid_sen"}))


def test_a_split_without_tasks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Empty:
        name = "empty"

        def tasks(self, split: str) -> tuple[Task, ...]:
            return ()

    module = types.ModuleType("an_empty_environment")
    module.load = lambda settings: Empty()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(LOADERS, "empty", f"{module.__name__}:load")
    with pytest.raises(ConfigurationError, match="empty has no tasks in split train"):
        check_inputs(configuration(environment={"name": "empty"}))


def test_data_that_must_be_real_and_is_not_there() -> None:
    with pytest.raises(DataNotFoundError, match="ALFWORLD_DATA"):
        check_inputs(configuration(environment={"source": "real"}))


@pytest.mark.parametrize("role", ["planner", "executor"])
def test_an_adapter_that_a_server_would_refuse(role: str) -> None:
    check_settings(configuration(lora={"rank": 16}, **{role: {"max_lora_rank": 16}}))
    with pytest.raises(ConfigurationError, match=f"lora.rank = 17: the {role} accepts at most .* = 16"):
        check_settings(configuration(lora={"rank": 17}, **{role: {"max_lora_rank": 16}}))


@pytest.mark.parametrize("role", ["planner", "executor"])
def test_an_answer_without_room_for_a_prompt(role: str) -> None:
    check_settings(configuration(**{role: {"max_new_tokens": 99, "context_length": 100}}))
    with pytest.raises(ConfigurationError, match=rf"{role}.max_new_tokens = 100 leaves no room .* = 100"):
        check_settings(configuration(**{role: {"max_new_tokens": 100, "context_length": 100}}))


def test_a_model_s_folder_is_looked_at(tmp_path: Path) -> None:
    with pytest.raises(HiperError, match="no model at .*/nowhere; accepted"):
        check_settings(with_model("./nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(HiperError, match=r"lacks config.json, weights .*, a tokenizer"):
        check_settings(with_model("empty"))
    (tmp_path / "file").write_text("")
    with pytest.raises(HiperError, match="is a file; a folder is needed"):
        check_model(str(tmp_path / "file"))


def test_a_model_of_the_hub_is_left_to_the_servers(no_hub: Path) -> None:
    check_model("owner/name")
    assert missing_model("owner/name").startswith("missing: model owner/name is not in ")
    snapshot = no_hub / "models--owner--name" / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("0123")
    assert missing_model("owner/name") == ""


def test_a_folder_with_the_form_of_a_hub_id_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "owner" / "name").mkdir(parents=True)
    assert missing_model("owner/name") == ""
    with pytest.raises(HiperError, match="model owner/name: the folder .* lacks"):
        check_model("owner/name")


@pytest.mark.parametrize("name", ["bundled", "./owner/name", "~/name", "/owner/name", "a/b/c"])
def test_other_names_are_never_looked_up_on_the_hub(name: str) -> None:
    assert missing_model(name) == ""


def test_a_package_that_is_asked_for_must_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    check_settings(configuration())
    with pytest.raises(ConfigurationError, match="--run.wandb project needs the package wandb"):
        check_settings(configuration(run={"wandb": "project"}))
    with pytest.raises(ConfigurationError, match="--run.trace http://host:4317 needs OpenTelemetry"):
        check_settings(configuration(run={"trace": "http://host:4317"}))


def test_a_base_in_four_bits_needs_its_package_where_the_learner_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    check_settings(configuration(learner={"quantization": "nf4", "address": "elsewhere:1"}))
    with pytest.raises(ConfigurationError, match="nf4 needs bitsandbytes.* HIPER_EXTRAS=bitsandbytes before"):
        check_settings(configuration(learner={"quantization": "nf4"}))
