"""Base models: finding one, comparing two by their fingerprints, and choosing a number format."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from core import cpu
from core.errors import InvalidInputError, NotFoundError
from core.imports import collection_paused
from core.paths import user_path
from serving.bundled_model import BUNDLED_HUB_ID, bundled_model

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

BUNDLED = "bundled"

DtypeName = Literal["auto", "bfloat16", "float32", "float64"]

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_HUB_FILES = ("*.json", "*.safetensors", "tokenizer.model", "merges.txt", "*.jinja")
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json")
_CONFIG_KEYS_OF_THE_WRITER = (
    "transformers_version",
    "_name_or_path",
    "_model_name_or_path",
    "dtype",
    "torch_dtype",
)
_SAMPLES = 64
_SAMPLE_BYTES = 4096


@dataclass(frozen=True)
class ModelFolder:
    """A base model on disk: a folder with config.json, safetensors weights and a tokenizer."""

    path: Path
    name: str
    """Name that it was asked for by: `bundled`, a path, or a hub id."""
    fingerprint: str
    """Result of `fingerprint` for the folder."""


def resolve_model(name: str) -> ModelFolder:
    """Finds, converts or downloads the model called `name`.

    Args:
        name: `bundled`, a local folder, or a hub id such as `Qwen/Qwen2.5-0.5B-Instruct`.

    Raises:
        NotFoundError: no such folder, no such model on the hub, or one that is not in the hub's cache while
            the hub cannot be reached.
        InvalidInputError: the folder lacks files; the message names them.
    """
    if name == BUNDLED:
        path = bundled_model()
    elif user_path(name).exists():
        path = user_path(name)
    elif _HUB_ID.fullmatch(name):
        path = _download(name)
    else:
        raise NotFoundError(
            f"no model at {user_path(name)}; accepted: `{BUNDLED}`, a local folder, or a hub id `owner/name`"
        )
    _check_files(path, name)
    return ModelFolder(path=path, name=name, fingerprint=fingerprint(path))


def hub_id(name: str) -> str | None:
    """The id on the Hub of the model called `name`; None for a folder."""
    if name == BUNDLED:
        return BUNDLED_HUB_ID
    return name if _HUB_ID.fullmatch(name) and not user_path(name).exists() else None


def fingerprint(folder: Path) -> str:
    """Hexadecimal SHA-256 that distinguishes base models without reading all of their bytes.

    It covers config.json (parsed, without the keys that only say who wrote it) and, for each safetensors file
    in the order of names, its size, its header (names, types, shapes, offsets) and 64 evenly spread samples
    of 4 KiB. Path, file times and tokenizer do not count. Fine-tuned copies differ in the samples.
    """
    config = _config(folder)
    kept = {key: value for key, value in config.items() if key not in _CONFIG_KEYS_OF_THE_WRITER}
    digest = hashlib.sha256(json.dumps(kept, sort_keys=True).encode())
    for file in sorted(folder.glob("*.safetensors")):
        _digest_weights(file, digest)
    return digest.hexdigest()


def vocabulary_size(model: ModelFolder) -> int:
    """The number of token ids that the model has embeddings for.

    Raises:
        InvalidInputError: its config.json does not say.
    """
    config = _config(model.path)
    size = config.get("vocab_size", (config.get("text_config") or {}).get("vocab_size"))
    if not isinstance(size, int):
        raise InvalidInputError(f"{model.path / 'config.json'} has no vocab_size")
    return size


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The folder's tokenizer; raises `InvalidInputError` if it has no chat template."""
    with collection_paused():
        from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    if not tokenizer.chat_template:
        raise InvalidInputError(
            f"the tokenizer in {folder} has no chat template: an instruct model is needed"
        )
    return tokenizer


def use_gpus(numbers: Sequence[int]) -> None:
    """Limits this process to these GPUs, unless there are none; to be called before CUDA is used."""
    if numbers:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, numbers))


def compute_device() -> torch.device:
    """The first GPU if there is one, else the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def compute_dtype(name: DtypeName) -> torch.dtype:
    """The number format called `name`; `auto` is bfloat16 if the hardware can multiply in it, else float32.

    The choice depends on the CPU's flags rather than on a timed probe, so that it is the same at every start,
    even on a busy machine.
    """
    import torch

    if name != "auto":
        return {"bfloat16": torch.bfloat16, "float32": torch.float32, "float64": torch.float64}[name]
    if torch.cuda.is_available():
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return torch.bfloat16 if cpu.multiplies_bfloat16() else torch.float32


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidInputError(f"{path} is not the configuration of a model: {error}") from error
    if not isinstance(config, dict):
        raise InvalidInputError(f"{path} is not the configuration of a model: it has no keys")
    return config


def _digest_weights(file: Path, digest: hashlib._Hash) -> None:
    size = file.stat().st_size
    digest.update(size.to_bytes(8, "little"))
    with file.open("rb") as stream:
        header_size = int.from_bytes(stream.read(8), "little")
        if header_size > size - 8:
            raise InvalidInputError(f"{file} is not a whole safetensors file")
        digest.update(stream.read(header_size))
        first, last = 8 + header_size, max(8 + header_size, size - _SAMPLE_BYTES)
        for sample in range(_SAMPLES):
            stream.seek(first + (last - first) * sample // (_SAMPLES - 1))
            digest.update(stream.read(_SAMPLE_BYTES))


def _check_files(path: Path, name: str) -> None:
    if not path.is_dir():
        raise InvalidInputError(f"model {name}: {path} is a file; a folder is needed")
    missing = []
    if not (path / "config.json").is_file():
        missing.append("config.json")
    if not any(path.glob("*.safetensors")):
        missing.append("weights (*.safetensors)")
    if not any((path / file).is_file() for file in _TOKENIZER_FILES):
        missing.append("a tokenizer (tokenizer.json, tokenizer.model or vocab.json)")
    if missing:
        raise InvalidInputError(f"model {name}: the folder {path} lacks {', '.join(missing)}")


def _download(hub_id: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        return Path(snapshot_download(hub_id, allow_patterns=list(_HUB_FILES)))
    except GatedRepoError as error:
        raise NotFoundError(f"model {hub_id} on the hub needs a login that has access: {error}") from error
    except RepositoryNotFoundError as error:
        raise NotFoundError(f"no folder and no model on the hub is called {hub_id}") from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise NotFoundError(
            f"{hub_id} is no folder and not in the hub's cache, and the hub cannot be reached: {error}"
        ) from error
