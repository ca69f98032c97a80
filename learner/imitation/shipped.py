"""The pairs of warm-started adapters for the bundled model that are shipped with the repository."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from configuration.learner import LoraSettings
from core.role import Role
from learner.imitation.teaching import WarmStart, WarmStartSettings
from learner.update.adapter_files import CONFIG, ORIGIN, WEIGHTS
from serving.model import ModelFolder

FOLDER = Path(__file__).parents[1] / "warm_start"
"""Folder with a pair for each benchmark and prompt format, made by the commands in its README.md."""


def shipped_pair(
    settings: WarmStartSettings, model: ModelFolder, benchmark: str, folder: Path = FOLDER
) -> WarmStart | None:
    """The pair in `folder` for this base model, LoRA shape, benchmark and prompt format, or None."""
    prompt_format = settings.planner.prompt_format
    if not settings.imitation.shipped or settings.executor.prompt_format != prompt_format:
        return None
    pair = folder / f"{benchmark}_{prompt_format}"
    if not all(_fits(pair / role.value, settings.lora, model) for role in Role):
        return None
    return WarmStart(pair / Role.PLANNER.value, pair / Role.EXECUTOR.value, cached=True)


def ship(made: WarmStart, folder: Path) -> None:
    """Copies a pair into `folder`, with the weights rounded to bfloat16, which take half the space."""
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
    layers = config["layers_to_transform"]
    made_for = (
        origin["base_fingerprint"],
        config["r"],
        config["lora_alpha"],
        set(config["target_modules"]),
        layers and len(layers),
    )
    return made_for == (model.fingerprint, lora.rank, lora.alpha, set(lora.targets), lora.last_layers)
