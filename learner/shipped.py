"""The pair of warm-started adapters that is kept in the repository, for the bundled model's first run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from learner.adapter_files import CONFIG, ORIGIN, WEIGHTS
from learner.imitation import WarmStart, WarmStartSettings
from learner.settings import LoraSettings
from serving.model import ModelFolder
from serving.role import Role

FOLDER = Path(__file__).parent / "warm_start"
"""Made by the command in its README.md."""

_BENCHMARK, _PROMPT_FORMAT = "alfworld", "compact"
"""What the pair was taught on."""


def shipped_pair(
    settings: WarmStartSettings, model: ModelFolder, benchmark: str, folder: Path = FOLDER
) -> WarmStart | None:
    """The pair in `folder` where it fits base model, LoRA shape, benchmark and prompts; else None."""
    formats = {settings.planner.prompt_format, settings.executor.prompt_format}
    if not settings.imitation.shipped or benchmark != _BENCHMARK or formats != {_PROMPT_FORMAT}:
        return None
    if not all(_fits(folder / role.value, settings.lora, model) for role in Role):
        return None
    return WarmStart(folder / Role.PLANNER.value, folder / Role.EXECUTOR.value, cached=True)


def ship(made: WarmStart, folder: Path) -> None:
    """Copies a pair into `folder`, its weights in bfloat16: half the size, and exact once read again."""
    for role, source in ((Role.PLANNER, made.planner), (Role.EXECUTOR, made.executor)):
        target = folder / role.value
        target.mkdir(parents=True, exist_ok=True)
        for name in (CONFIG, ORIGIN):
            shutil.copyfile(source / name, target / name)
        weights = {name: tensor.to(torch.bfloat16) for name, tensor in load_file(source / WEIGHTS).items()}
        save_file(weights, target / WEIGHTS, metadata={"format": "pt"})


def _fits(adapter: Path, lora: LoraSettings, model: ModelFolder) -> bool:
    if not (adapter / ORIGIN).is_file():
        return False
    origin = json.loads((adapter / ORIGIN).read_text(encoding="utf-8"))
    config = json.loads((adapter / CONFIG).read_text(encoding="utf-8"))
    made_for = (origin["base_fingerprint"], config["r"], config["lora_alpha"], set(config["target_modules"]))
    of_all_layers = config["layers_to_transform"] is None and lora.last_layers is None
    return of_all_layers and made_for == (model.fingerprint, lora.rank, lora.alpha, set(lora.targets))
