"""The served weights: the base model's, with the current adapter merged into them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import safe_open

from core.errors import InvalidInputError
from serving.adapters.folder import read_lora_pairs


class MergedWeights:
    """Merges adapters into a model's weights, each time anew from the file, so that no errors add up."""

    def __init__(self, model: torch.nn.Module, folder: Path, dtype: torch.dtype) -> None:
        self._parameters = dict(model.named_parameters())
        self._dtype = dtype
        self._file_of = _file_of_each_tensor(folder)
        self._changed: frozenset[str] = frozenset()

    @torch.no_grad()
    def stage(self, adapter: Path | None) -> Mapping[str, torch.Tensor]:
        """Computes new values of all parameters that `adapter` changes or that are changed now.

        A value is W + scaling · B A, computed in float32 and then converted. The model stays as it is.

        Raises:
            InvalidInputError: a value is not finite in the number format, although A, B and scaling are.
        """
        staged = {}
        for pair in read_lora_pairs(adapter) if adapter else ():
            delta = (pair.b.float() @ pair.a.float()).mul_(pair.scaling)
            merged = self._cast(pair.parameter, delta.add_(self._base(pair.parameter)))
            if not _is_finite(merged):
                raise InvalidInputError(
                    f"adapter: {pair.parameter}: merged into the base model it holds a value that is not "
                    f"finite in {self._dtype}"
                )
            staged[pair.parameter] = merged
        for name in self._changed - staged.keys():
            staged[name] = self._cast(name, self._base(name))
        return staged

    def use(self, staged: Mapping[str, torch.Tensor], adapter: Path | None) -> Callable[[], None]:
        """Puts the values that `stage` returned for `adapter` into the model, without copying them.

        Returns:
            A function that puts the values of before into the model again.
        """
        changed, before = self._changed, {name: self._parameters[name].data for name in staged}
        self._put(staged, frozenset(staged) if adapter else frozenset())
        return lambda: self._put(before, changed)

    def _put(self, values: Mapping[str, torch.Tensor], changed: frozenset[str]) -> None:
        for name, value in values.items():
            self._parameters[name].data = value
        self._changed = changed

    def _base(self, name: str) -> torch.Tensor:
        with safe_open(self._file_of[name], "pt") as file:
            return file.get_tensor(name).float()

    def _cast(self, name: str, value: torch.Tensor) -> torch.Tensor:
        return value.to(dtype=self._dtype, device=self._parameters[name].device)


def _is_finite(values: torch.Tensor) -> bool:
    # The minimum and maximum are NaN if any value is. One pass, without a tensor of booleans of that size.
    return bool(torch.stack(values.aminmax()).isfinite().all())


def _file_of_each_tensor(folder: Path) -> dict[str, Path]:
    files = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            files.update(dict.fromkeys(file.keys(), path))
    return files
