"""The pairs of warm-started adapters for the bundled model that are shipped with the repository."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from configuration.learner import LoraSettings
from learner.imitation.teaching import WarmStartSettings
from serving.adapters.folder import CONFIG_FILE, WEIGHTS_FILE
from serving.adapters.origin import ORIGIN_FILE, base_of
from serving.adapters.pair import AdapterPair
from serving.model import ModelFolder

FOLDER = Path(__file__).parents[1] / "warm_start"
"""Folder with a pair for each benchmark and prompt format, made by the commands in its README.md."""


def shipped_pair(
    settings: WarmStartSettings, model: ModelFolder, benchmark: str, folder: Path = FOLDER
) -> AdapterPair | None:
    """The pair in `folder` for this base model, LoRA shape, benchmark and prompt format, or None.

    A pair is in a folder named by benchmark and prompt format, such as `alfworld_transcript`; what follows in
    the name after another `_` distinguishes pairs of other shapes. All of these pairs were taught with
    subgoals and without thoughts, so there is none without a hierarchy, or for models that think. Settings
    that teach a given pair further, or from a run's episodes, get none either.
    """
    prompt_format = settings.planner.prompt_format
    alike = settings.executor.prompt_format == prompt_format
    thinks = settings.planner.think or settings.executor.think
    further = settings.imitation.episodes or settings.imitation.adapters
    if not (settings.imitation.shipped and alike and settings.planner.hierarchy) or thinks or further:
        return None
    named = f"{benchmark}_{prompt_format}"
    found = sorted(each for each in folder.iterdir() if f"{each.name}_".startswith(f"{named}_"))
    return next(
        (
            pair
            for pair in map(AdapterPair.within, found)
            if all(_fits(each, settings.lora, model) for _, each in pair.items())
        ),
        None,
    )


def ship(pair: AdapterPair, folder: Path) -> None:
    """Copies a pair into `folder`, with the weights rounded to bfloat16, which take half the space."""
    for role, source in pair.items():
        target = AdapterPair.within(folder).of(role)
        target.mkdir(parents=True, exist_ok=True)
        for name in (CONFIG_FILE, ORIGIN_FILE):
            shutil.copyfile(source / name, target / name)
        weights = {
            name: tensor.to(torch.bfloat16) for name, tensor in load_file(source / WEIGHTS_FILE).items()
        }
        save_file(weights, target / WEIGHTS_FILE, metadata={"format": "pt"})


def _fits(adapter: Path, lora: LoraSettings, model: ModelFolder) -> bool:
    base = base_of(adapter)
    if base is None:
        return False
    config = json.loads((adapter / CONFIG_FILE).read_text(encoding="utf-8"))
    layers = config["layers_to_transform"]
    made_for = (
        base,
        config["r"],
        config["lora_alpha"],
        set(config["target_modules"]),
        layers and len(layers),
    )
    return made_for == (model.fingerprint, lora.rank, lora.alpha, set(lora.targets), lora.last_layers)
