"""Checkpoints: everything that the next update depends on, in a folder of safetensors and JSON files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from core.errors import CorruptDataError, NotFoundError, PreconditionError
from core.files import check_manifest, write_manifest, written_beside
from run_folder.adapter_hashes import ADAPTERS_KEY, STATE_FILE

FORMAT = 3
STATE, PARAMETERS, MOMENTS = STATE_FILE, "parameters.safetensors", "optimizers.safetensors"


@dataclass(frozen=True)
class CheckpointState:
    """The part of a checkpoint that is not tensors."""

    version: int
    """Version of the adapters."""
    seed: int
    """Seed of all updates. It is the whole random state: update v draws only from a generator of (seed,
    v)."""
    consumed: tuple[int, ...]
    """Numbers of the episodes that were trained on."""
    made_for: dict[str, Any]
    """Base model and settings for which the tensors have a meaning; loading requires the same."""
    adapters: dict[str, str] = field(default_factory=dict)
    """SHA-256 of the adapters' files by role; empty in checkpoints of earlier versions."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A state with all its tensors, named `GROUP:NAME`; groups are adapters, value heads and optimizers."""

    state: CheckpointState
    parameters: dict[str, Tensor]
    moments: dict[str, Tensor]


def write_checkpoint(checkpoint: Checkpoint, folder: Path) -> None:
    """Writes a checkpoint with a manifest of hashes; `folder` appears only once it is complete."""
    state = checkpoint.state
    content = {
        "format": FORMAT,
        "version": state.version,
        "seed": state.seed,
        "consumed": list(state.consumed),
        "made_for": state.made_for,
        ADAPTERS_KEY: state.adapters,
    }
    with written_beside(folder) as unfinished:
        save_file(_plain(checkpoint.parameters), unfinished / PARAMETERS)
        save_file(_plain(checkpoint.moments), unfinished / MOMENTS)
        (unfinished / STATE).write_text(json.dumps(content, indent=1), encoding="utf-8")
        write_manifest(unfinished)


def read_checkpoint(folder: Path, made_for: Mapping[str, Any]) -> Checkpoint:
    """Reads a checkpoint.

    Raises:
        NotFoundError: there is no such folder.
        CorruptDataError: a file is missing, cut off or changed; names it.
        PreconditionError: it was made for another base model or configuration; names what differs.
    """
    if not folder.is_dir():
        raise NotFoundError(f"there is no checkpoint at {folder}")
    check_manifest(folder)
    try:
        content = json.loads((folder / STATE).read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise PreconditionError(
                f"the checkpoint {folder} has format {content['format']}; {FORMAT} is accepted"
            )
        state = CheckpointState(
            content["version"],
            content["seed"],
            tuple(content["consumed"]),
            content["made_for"],
            content.get(ADAPTERS_KEY, {}),
        )
        _check_made_for(state.made_for, made_for, folder)
        return Checkpoint(state, load_file(folder / PARAMETERS), load_file(folder / MOMENTS))
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise CorruptDataError(f"the checkpoint {folder} cannot be read: {error}") from error


def joined(groups: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """All groups in one dictionary with keys `group:name`."""
    return {
        f"{group}:{name}": tensor for group, tensors in groups.items() for name, tensor in tensors.items()
    }


def of_group(tensors: Mapping[str, Tensor], group: str) -> dict[str, Tensor]:
    """The tensors of a group, by the names that `joined` was given."""
    mark = f"{group}:"
    return {name.removeprefix(mark): tensor for name, tensor in tensors.items() if name.startswith(mark)}


def _check_made_for(found: Mapping[str, Any], wanted: Mapping[str, Any], folder: Path) -> None:
    for key in sorted(found.keys() | wanted.keys()):
        if found.get(key) != wanted.get(key):
            raise PreconditionError(
                f"the checkpoint {folder} was made with {key} = {found.get(key)}, not {wanted.get(key)}"
            )


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
