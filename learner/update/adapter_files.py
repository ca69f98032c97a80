"""Writes the adapters of a PEFT model into PEFT folders, and reads them."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from core.errors import CorruptDataError, NotFoundError, PreconditionError
from serving.adapters.folder import CONFIG_FILE, WEIGHTS_FILE
from serving.adapters.origin import AdapterOrigin, base_of


def write_adapter(peft: PeftModel, adapter: str, base_name: str, origin: AdapterOrigin, folder: Path) -> None:
    """Writes an adapter in float32 into the empty folder `folder`."""
    # The model goes on training: the fields that only the file needs are put back afterwards.
    config = peft.peft_config[adapter]
    kept = config.base_model_name_or_path, config.inference_mode
    config.base_model_name_or_path, config.inference_mode = base_name, True
    try:
        config.save_pretrained(str(folder))
    finally:
        config.base_model_name_or_path, config.inference_mode = kept
    _sort_modules(folder / CONFIG_FILE)
    state = get_peft_model_state_dict(peft, adapter_name=adapter)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    save_file(tensors, folder / WEIGHTS_FILE, metadata={"format": "pt"})
    origin.write(folder)


def _sort_modules(config_file: Path) -> None:
    """Makes the file the same in every process: PEFT writes the modules in the order of a Python set."""
    fields = json.loads(config_file.read_text(encoding="utf-8"))
    if isinstance(modules := fields.get("target_modules"), list):
        fields["target_modules"] = sorted(modules)
    config_file.write_text(json.dumps(fields, indent=2, sort_keys=True), encoding="utf-8")


def read_adapter(peft: PeftModel, adapter: str, base_fingerprint: str, folder: Path) -> None:
    """Loads a folder's weights into `adapter`, which stays as it is if anything is wrong.

    Raises:
        NotFoundError: a file is missing.
        CorruptDataError: a file cannot be read, or a weight is not finite.
        PreconditionError: made for another base model, rank, scale or set of layers.
    """
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise NotFoundError(f"{folder} is not a PEFT folder: it has no {name}")
    try:
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        tensors = load_file(folder / WEIGHTS_FILE)
    except (ValueError, SafetensorError) as error:
        raise CorruptDataError(f"the adapter in {folder} cannot be read: {error}") from error
    if base_of(folder) not in (None, base_fingerprint):
        raise PreconditionError(f"the adapter in {folder} was trained on another base model than this one")
    _check_scale(peft, adapter, config, folder)
    _check_tensors(peft, adapter, tensors, folder)
    set_peft_model_state_dict(peft, tensors, adapter_name=adapter)


def _check_scale(peft: PeftModel, adapter: str, config: dict[str, object], folder: Path) -> None:
    own = peft.peft_config[adapter]
    for key in ("r", "lora_alpha"):
        if config.get(key) != getattr(own, key):
            raise PreconditionError(
                f"the adapter in {folder} has {key} = {config.get(key)}; {getattr(own, key)} is accepted"
            )


def _check_tensors(peft: PeftModel, adapter: str, tensors: dict[str, torch.Tensor], folder: Path) -> None:
    own = {name: t.shape for name, t in get_peft_model_state_dict(peft, adapter_name=adapter).items()}
    if differing := sorted(own.keys() ^ tensors.keys()):
        raise PreconditionError(
            f"the adapter in {folder} adapts other layers than the configuration says: only one of them has "
            f"{differing[0]}"
        )
    for name, tensor in tensors.items():
        if tensor.shape != own[name]:
            raise PreconditionError(
                f"{name} in {folder} has shape {list(tensor.shape)}; {list(own[name])} is accepted"
            )
        if not tensor.isfinite().all():
            raise CorruptDataError(f"{name} in {folder} holds values that are not finite")
