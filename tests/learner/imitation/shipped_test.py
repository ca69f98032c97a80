"""The pairs of adapters in the repository: they fit the configurations they were made for, and only those."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from configuration import command
from configuration.learner import ImitationSettings, LoraSettings
from configuration.servers import ModelServerSettings, PlannerSettings
from configuration.tree import Configuration
from learner.imitation.shipped import FOLDER, ship, shipped_pair
from learner.imitation.teaching import WarmStartSettings
from serving.adapters.folder import CONFIG_FILE, WEIGHTS_FILE
from serving.adapters.origin import ORIGIN_FILE
from serving.adapters.pair import AdapterPair
from serving.model import ModelFolder

MODEL = ModelFolder(
    Path("model"), "bundled", "b60f6381a862eccdb6b6433709d9fc2191636c718c6ca13e97ab407aef995154"
)
PRESETS = Path(__file__).resolve().parents[3] / "presets"


def preset(name: str) -> Configuration:
    return command.read(["--config", str(PRESETS / name)], "shipped_test").configuration


SETTINGS = WarmStartSettings()
TRANSCRIPTS = WarmStartSettings.of(preset("alfworld_smollm2.toml"))


PRESETS_WITH_A_PAIR = ("alfworld_smollm2.toml", "alfworld_smollm2_six.toml", "webshop_smollm2.toml")


@pytest.mark.parametrize(
    "configuration",
    [Configuration(), *map(preset, PRESETS_WITH_A_PAIR)],
    ids=["default", *PRESETS_WITH_A_PAIR],
)
def test_configurations_start_from_the_pair_that_is_shipped_for_them(configuration: Configuration) -> None:
    pair = shipped_pair(WarmStartSettings.of(configuration), MODEL, configuration.environment.name)
    assert pair is not None
    for folder in (pair.planner, pair.executor):
        assert (folder / WEIGHTS_FILE).stat().st_size < 6_000_000
        weights = load_file(folder / WEIGHTS_FILE)
        assert all(tensor.isfinite().all() for tensor in weights.values())
        assert any(tensor.any() for name, tensor in weights.items() if "lora_B" in name)


def test_any_other_model_shape_benchmark_or_prompt_is_taught_anew():
    others = [
        (replace(SETTINGS, lora=LoraSettings(rank=4)), MODEL, "alfworld"),
        (replace(SETTINGS, lora=LoraSettings(last_layers=10)), MODEL, "alfworld"),
        (replace(SETTINGS, planner=PlannerSettings(prompt_format="paper")), MODEL, "alfworld"),
        (replace(SETTINGS, planner=PlannerSettings(hierarchy=False)), MODEL, "alfworld"),
        (replace(SETTINGS, imitation=ImitationSettings(shipped=False)), MODEL, "alfworld"),
        (SETTINGS, replace(MODEL, fingerprint="another"), "alfworld"),
        (SETTINGS, MODEL, "webshop"),
        (replace(TRANSCRIPTS, lora=LoraSettings()), MODEL, "alfworld"),
        (replace(TRANSCRIPTS, executor=ModelServerSettings()), MODEL, "alfworld"),
    ]
    assert [shipped_pair(*other) for other in others] == [None] * len(others)


def test_pairs_of_another_shape_are_told_apart_by_more_of_their_name(tmp_path):
    for name in ("alfworld_transcript", "alfworld_transcript_wide", "alfworld_transcripts"):
        shutil.copytree(FOLDER / "alfworld_transcript", tmp_path / name)
    for config in tmp_path.glob(f"*_wide/*/{CONFIG_FILE}"):
        fields = json.loads(config.read_text(encoding="utf-8"))
        config.write_text(json.dumps({**fields, "r": 16}), encoding="utf-8")
    wide = replace(TRANSCRIPTS, lora=TRANSCRIPTS.lora.model_copy(update={"rank": 16}))
    pairs = [shipped_pair(each, MODEL, "alfworld", tmp_path) for each in (TRANSCRIPTS, wide)]
    assert [pair and pair.planner.parent.name for pair in pairs] == [
        "alfworld_transcript",
        "alfworld_transcript_wide",
    ]


def test_a_folder_without_a_pair_ships_nothing(tmp_path):
    assert shipped_pair(SETTINGS, MODEL, "alfworld", tmp_path) is None


def test_shipping_halves_the_weights_and_keeps_what_they_say(tmp_path):
    made = AdapterPair.within(tmp_path / "made")
    for role, folder in made.items():
        folder.mkdir(parents=True)
        for name in (CONFIG_FILE, ORIGIN_FILE):
            (folder / name).write_bytes((FOLDER / "alfworld_compact" / role.value / name).read_bytes())
        save_file({"a": torch.linspace(-1, 1, 1000)}, folder / WEIGHTS_FILE)
    ship(made, tmp_path / "shipped" / "alfworld_compact")
    pair = shipped_pair(SETTINGS, MODEL, "alfworld", tmp_path / "shipped")
    assert pair is not None
    weights = load_file(pair.planner / WEIGHTS_FILE)["a"]
    assert weights.dtype is torch.bfloat16
    assert torch.allclose(weights.float(), torch.linspace(-1, 1, 1000), atol=2**-8)
