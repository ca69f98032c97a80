"""Exports the adapters of a run as folders for the Hub, each with a filled-in model card."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from core.files import written_beside
from core.role import Role
from orchestrator.exporting.cards import CARD, AdapterFacts, model_card
from orchestrator.exporting.run_facts import RunFacts
from orchestrator.report import data
from run_folder.adapters import of_run
from run_folder.folder import RunFolder
from serving.adapters.folder import CONFIG_FILE, WEIGHTS_FILE
from serving.adapters.origin import ORIGIN_FILE


def write(root: Path, version: int | None, out: Path) -> list[Path]:
    """Writes a folder for each role into the folder `out`, which appears only when it is complete.

    Args:
        root: Folder of the run.
        version: Version of the adapters; None for the newest.
        out: New or empty folder.

    Returns:
        The folders of both roles.

    Raises:
        NotFoundError: `root` does not hold a run.
        ConfigurationError: the run does not have that version; the message lists those that it has.
        CorruptDataError: an adapter or the configuration is damaged.
    """
    facts, folder = RunFacts.of(root), RunFolder(root)
    choice = of_run(folder, version)
    assert choice.pair is not None
    run = data.read(root)
    evaluations = tuple(each for each in run.evaluations if each.version == choice.version)
    with written_beside(out) as unfinished:
        for role, source in choice.pair.items():
            target = unfinished / role.value
            config = _copy(source, target, facts.model)
            sha256 = choice.hashes[role.value]
            adapter = AdapterFacts(facts, run.run_id, role, choice.version, sha256, config, evaluations)
            (target / CARD).write_text(model_card(adapter), encoding="utf-8")
    return [out / role.value for role in Role]


def _copy(source: Path, target: Path, model: str) -> dict[str, Any]:
    """Copies a PEFT folder; returns its configuration.

    The base model's name replaces a path that other machines do not have.
    """
    target.mkdir()
    for name in (WEIGHTS_FILE, ORIGIN_FILE):
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
    config: dict[str, Any] = json.loads((source / CONFIG_FILE).read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = model
    (target / CONFIG_FILE).write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")
    return config
