"""The served weights: the base model's, with the current adapter merged into them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import torch
from safetensors import safe_open

from core.errors import InvalidInputError
from serving.adapters.folder import LoraPair, read_lora_pairs

_GOLDEN = (0.7548776662466927, 0.5698402909980532)
"""Steps of the R2 sequence, which fills the unit interval evenly along the columns and rows of a matrix."""


class MergedWeights:
    """Merges adapters into a model's weights, each time anew from the file, so that no errors add up.

    In bfloat16, which has 8 significant bits, most changes are smaller than the last bit of their weight.
    Rounded to the nearest number, they would be lost; see `rounded`.
    """

    def __init__(
        self, model: torch.nn.Module, folder: Path, dtype: torch.dtype, in_place: bool = False
    ) -> None:
        """With `in_place`, new values are copied into the parameters, which keep their addresses."""
        self._parameters = dict(model.named_parameters())
        self._dtype = dtype
        self._file_of = _file_of_each_tensor(folder)
        self._in_place = in_place
        self._changed: frozenset[str] = frozenset()

    def stage(self, adapter: Path | None, threads: int = 1) -> Mapping[str, torch.Tensor]:
        """Computes new values of all parameters that `adapter` changes or that are changed now.

        A value is W + scaling · B A, where W is in the number format, as the learner has it; the sum is
        computed in float32 and then rounded. The model stays as it is. The matrices are divided among
        `threads`: most are too small to be divided themselves.

        Raises:
            InvalidInputError: a value is not finite in the number format, although A, B and scaling are.
        """
        pairs = {pair.parameter: pair for pair in read_lora_pairs(adapter)} if adapter else {}
        names = [*pairs, *(self._changed - pairs.keys())]
        with ExitStack() as files:
            base = self._base(files)

            def value(name: str) -> torch.Tensor:
                with torch.no_grad():
                    return self._merged(base(name), pairs.get(name)).to(self._parameters[name].device)

            # torch's number of threads is set per thread: a new one would use all cores.
            with ThreadPoolExecutor(threads, "merge", torch.set_num_threads, (1,)) as pool:
                return dict(zip(names, pool.map(value, names), strict=True))

    def _merged(self, base: torch.Tensor, pair: LoraPair | None) -> torch.Tensor:
        """A float32 matrix [output, input] of the base model, with the pair of an adapter merged into it."""
        if pair is None:
            return base.to(self._dtype)
        merged = torch.addmm(base, pair.b.float(), pair.a.float(), alpha=pair.scaling)
        if not _fits(merged, self._dtype):
            raise InvalidInputError(
                f"adapter: {pair.parameter}: merged into the base model it holds a value that is not finite "
                f"in {self._dtype}"
            )
        return rounded(merged, self._dtype)

    def use(self, staged: Mapping[str, torch.Tensor], adapter: Path | None) -> Callable[[], None]:
        """Puts the values that `stage` returned for `adapter` into the model; they belong to it from then on.

        Returns:
            A function that puts the values of before into the model again.
        """
        changed = self._changed
        before = self._exchanged(staged, frozenset(staged) if adapter else frozenset())

        def undo() -> None:
            self._exchanged(before, changed)

        return undo

    @torch.no_grad()
    def _exchanged(
        self, values: Mapping[str, torch.Tensor], changed: frozenset[str]
    ) -> Mapping[str, torch.Tensor]:
        """Puts values into the model; returns those of before."""
        before = {}
        for name, value in values.items():
            parameter = self._parameters[name]
            if self._in_place:
                before[name] = parameter.clone()
                parameter.copy_(value)
            else:
                before[name], parameter.data = parameter.data, value
        self._changed = changed
        return before

    def _base(self, files: ExitStack) -> Callable[[str], torch.Tensor]:
        """Reads matrices of the base model, each file of which is opened once, until `files` is closed."""
        opened = {path: files.enter_context(safe_open(path, "pt")) for path in set(self._file_of.values())}

        def read(name: str) -> torch.Tensor:
            tensor: torch.Tensor = opened[self._file_of[name]].get_tensor(name)
            return tensor.to(self._dtype).float()

        return read


def rounded(values: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """[row, column] values rounded to bfloat16 so that small changes arrive on average; unchanged in float32.

    Each value is rounded up or down, up with a probability of its distance from the lower neighbour, as in
    stochastic rounding. But the thresholds are not random: they fill the interval evenly along every row, and
    are the same for all adapters. So the errors in an output, which sums over a row, nearly cancel, and the
    same adapter always gives the same weights. Numbers of the format are kept exactly.
    """
    if dtype is not torch.bfloat16:
        return values.to(dtype)
    rows, columns = (
        torch.arange(size, dtype=torch.float64, device=values.device).mul_(step).remainder_(1).mul_(1 << 16)
        for size, step in zip(values.shape, reversed(_GOLDEN), strict=True)
    )
    thresholds = (rows.int()[:, None] + columns.int()).bitwise_and_(0xFFFF)
    # The upper half of a float32 is the bfloat16 next to it toward 0; a carry from the lower half rounds up.
    halves = thresholds.add_(values.view(torch.int32)).view(torch.bfloat16)
    upper = 1 if sys.byteorder == "little" else 0
    return halves[:, upper::2].contiguous()


def _fits(values: torch.Tensor, dtype: torch.dtype) -> bool:
    """Whether all values are finite in the number format, none of them a NaN."""
    # The minimum and maximum are NaN if any value is. One pass, without a tensor of booleans of that size.
    least, most = torch.stack(values.aminmax()).tolist()
    limit = torch.finfo(dtype).max
    return bool(-limit <= least and most <= limit)


def _file_of_each_tensor(folder: Path) -> dict[str, Path]:
    files = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            files.update(dict.fromkeys(file.keys(), path))
    return files
