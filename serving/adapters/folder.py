"""PEFT folders of plain LoRA adapters: reading them, and checking them against a base model."""

from __future__ import annotations

import hashlib
import json
import math
import re
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from core.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    import torch

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"

_CONFIG_LIMIT = 1 << 20
_TENSOR = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight")
_UNSUPPORTED = {
    "use_dora": (False, None),
    "bias": ("none", None),
    "modules_to_save": (None, []),
    "fan_in_fan_out": (False, None),
    "lora_bias": (False, None),
    "rank_pattern": ({}, None),
    "alpha_pattern": ({}, None),
    "layer_replication": (None,),
}
"""Features of PEFT that are not supported: key of adapter_config.json, and the values that turn it off."""
_NUMBER_FORMATS = ("torch.float32", "torch.bfloat16", "torch.float16", "torch.float64")


@dataclass(frozen=True)
class AdapterConfig:
    """The fields of an adapter_config.json that are needed."""

    rank: int
    alpha: float
    rank_stabilised: bool

    @property
    def scaling(self) -> float:
        """Factor of the product B A: alpha / r, or alpha / sqrt(r) if rank-stabilised (rsLoRA)."""
        return self.alpha / (math.sqrt(self.rank) if self.rank_stabilised else self.rank)


@dataclass(frozen=True)
class LoraPair:
    """The change scaling · b a of one matrix of the base model."""

    parameter: str
    """Name of the matrix in the base model, such as `model.layers.0.self_attn.q_proj.weight`."""
    a: torch.Tensor
    """[rank, in] matrix A."""
    b: torch.Tensor
    """[out, rank] matrix B."""
    scaling: float


def adapter_hash(config_json: bytes, weights: Path) -> bytes:
    """SHA-256 (32 bytes) of adapter_config.json followed by adapter_model.safetensors."""
    digest = hashlib.sha256(config_json)
    with weights.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.digest()


def folder_hash(folder: Path) -> bytes:
    """`adapter_hash` of a PEFT folder."""
    return adapter_hash((folder / CONFIG_FILE).read_bytes(), folder / WEIGHTS_FILE)


def read_config(config_json: bytes, max_rank: int) -> AdapterConfig:
    """Reads and checks the contents of an adapter_config.json.

    Raises:
        InvalidInputError: it is not plain LoRA, or its rank is above `max_rank`.
    """
    fields = _parse(config_json)
    if (kind := fields.get("peft_type")) != "LORA":
        raise InvalidInputError(f"adapter: peft_type is {_shown(kind)}; LORA is accepted")
    for key, off in _UNSUPPORTED.items():
        if fields.get(key, off[0]) not in off:
            raise InvalidInputError(f"adapter: {key} = {_shown(fields[key])} is not supported; plain LoRA is")
    rank, alpha = fields.get("r"), _finite(fields.get("lora_alpha"))
    if type(rank) is not int or not 1 <= rank <= max_rank:
        raise InvalidInputError(
            f"adapter: rank r = {_shown(rank)}; 1 to {max_rank} (max_lora_rank) are accepted"
        )
    if alpha is None:
        shown = _shown(fields.get("lora_alpha"))
        raise InvalidInputError(f"adapter: lora_alpha = {shown} is not a finite number")
    return AdapterConfig(rank, alpha, bool(fields.get("use_rslora")))


def base_shapes(model: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of all tensors of a base model by name; reads only the headers of its files."""
    shapes: dict[str, tuple[int, ...]] = {}
    for path in sorted(model.glob("*.safetensors")):
        with safe_open(path, "np") as file:
            shapes.update({name: tuple(file.get_slice(name).get_shape()) for name in sorted(file.keys())})
    return shapes


def largest_weights(shapes: Mapping[str, tuple[int, ...]], max_rank: int) -> int:
    """Largest possible size of adapter_model.safetensors in bytes: float32, with every matrix adapted."""
    matrices = [shape for shape in shapes.values() if len(shape) == 2]
    header = 100_000 + 500 * len(matrices)
    return header + sum(4 * max_rank * (rows + columns) for rows, columns in matrices)


def check_adapter(folder: Path, shapes: Mapping[str, tuple[int, ...]], max_rank: int) -> None:
    """Checks that an adapter fits a base model and holds only finite numbers.

    Args:
        folder: PEFT folder.
        shapes: Shapes of the base model's tensors, see `base_shapes`.
        max_rank: Highest accepted rank.

    Raises:
        NotFoundError: the folder or one of its files is missing.
        InvalidInputError: a tensor is wrong; names it and says why.
    """
    config = read_config(_read_config_file(folder), max_rank)
    sides: dict[str, set[str]] = {}
    for name, tensor in _read_tensors(folder):
        match = _TENSOR.fullmatch(name)
        if match is None:
            raise InvalidInputError(f"adapter: tensor {name} is not of a plain LoRA of linear layers")
        _check_tensor(name, match, tensor, config, shapes)
        sides.setdefault(match["module"], set()).add(match["side"])
    if not sides:
        raise InvalidInputError("adapter: it holds no tensors")
    for module, found in sides.items():
        if found != {"A", "B"}:
            raise InvalidInputError(f"adapter: {module} has lora_{found.pop()} without its counterpart")


def read_lora_pairs(folder: Path) -> Iterator[LoraPair]:
    """Yields the matrices of an adapter that `check_adapter` has accepted."""
    scaling = read_config(_read_config_file(folder), max_rank=1 << 30).scaling
    with safe_open(folder / WEIGHTS_FILE, "pt") as file:
        for name in sorted(file.keys()):
            if name.endswith(".lora_A.weight"):
                stem = name.removesuffix(".lora_A.weight")
                parameter = stem.removeprefix("base_model.model.") + ".weight"
                a, b = file.get_tensor(name), file.get_tensor(f"{stem}.lora_B.weight")
                yield LoraPair(parameter, a, b, scaling)


def _check_tensor(
    name: str,
    match: re.Match[str],
    tensor: torch.Tensor,
    config: AdapterConfig,
    shapes: Mapping[str, tuple[int, ...]],
) -> None:
    base = shapes.get(match["module"] + ".weight")
    if base is None or len(base) != 2:
        raise InvalidInputError(f"adapter: {name}: the base model has no linear layer {match['module']}")
    wanted = (config.rank, base[1]) if match["side"] == "A" else (base[0], config.rank)
    if tuple(tensor.shape) != wanted:
        raise InvalidInputError(f"adapter: {name}: shape {tuple(tensor.shape)}; {wanted} fits the base model")
    if str(tensor.dtype) not in _NUMBER_FORMATS:
        accepted = ", ".join(_NUMBER_FORMATS)
        raise InvalidInputError(
            f"adapter: {name}: {tensor.dtype}; the floating types {accepted} are accepted"
        )
    if not tensor.isfinite().all():
        raise InvalidInputError(f"adapter: {name}: holds a value that is not finite")


def _read_tensors(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        raise NotFoundError(f"adapter: {folder} has no {WEIGHTS_FILE} (pickled weights are not accepted)")
    try:
        with safe_open(path, "pt") as file:
            for name in sorted(file.keys()):
                yield name, file.get_tensor(name)
    except SafetensorError as error:
        raise InvalidInputError(f"adapter: {WEIGHTS_FILE} is not a safetensors file: {error}") from error


def _read_config_file(folder: Path) -> bytes:
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise NotFoundError(f"adapter: {folder} is not a PEFT folder: it has no {CONFIG_FILE}")
    return path.read_bytes()


def _parse(config_json: bytes) -> dict[str, Any]:
    if len(config_json) > _CONFIG_LIMIT:
        raise InvalidInputError(f"adapter: {CONFIG_FILE} is longer than {_CONFIG_LIMIT} bytes")
    try:
        fields = json.loads(config_json)
    except ValueError as error:
        raise InvalidInputError(f"adapter: {CONFIG_FILE} is not JSON: {error}") from error
    except RecursionError as error:
        raise InvalidInputError(f"adapter: {CONFIG_FILE} is nested too deeply") from error
    if not isinstance(fields, dict):
        raise InvalidInputError(f"adapter: {CONFIG_FILE} is not a JSON object")
    return fields


def _finite(value: object) -> float | None:
    """The value as a float; None if it is not a number or is beyond the range of floats."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _shown(value: object) -> str:
    """A value that the sender gave, shortened for a message however long or deeply nested it is."""
    return reprlib.repr(value)
