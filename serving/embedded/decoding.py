"""Decode steps of fixed sizes, which are captured once and replayed.

On a GPU, a step of a small model takes less time than starting its kernels from Python. A captured step
starts all of them at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch

from serving.embedded.attention import Step
from serving.embedded.kv_cache import KvCache
from serving.embedded.sampling import draw

Compute = Callable[[torch.Tensor], torch.Tensor]
"""Function of tensors that never waits for the device."""
Capture = Callable[[Compute, torch.Tensor], Callable[[], torch.Tensor]]
"""Captures what a function computes from a tensor; returns a function that computes it again, from what the
tensor holds then. All that it reads and writes must keep its address."""

_SHORTEST_SPAN = 256
"""Least number of positions that a captured step attends to."""
_INPUTS = 4
"""Token, position, temperature and random number of each sequence."""


class Decoding:
    """Steps of running sequences alone, captured for each size that occurs.

    Sizes are powers of two, so that few are captured. Rows that fill a batch up write to the first position
    of slots that no sequence uses.
    """

    def __init__(
        self,
        logits: Callable[[Step], torch.Tensor],
        cache: KvCache,
        slots: int,
        length: int,
        dtype: torch.dtype,
        device: torch.device,
        capture: Capture,
    ) -> None:
        """`logits` computes [sequence, word]; `cache` has `slots` slots of `length` positions."""
        self._logits, self._cache, self._capture = logits, cache, capture
        self._slots, self._length, self._dtype = slots, length, dtype
        self._given = torch.zeros(_INPUTS, slots, dtype=torch.float64, pin_memory=device.type == "cuda")
        self._inputs = self._given.to(device, copy=True)
        self._captured: dict[tuple[int, int], Callable[[], torch.Tensor]] = {}

    def step(
        self,
        newest: Sequence[int],
        positions: Sequence[int],
        temperatures: Sequence[float],
        uniforms: Sequence[float],
    ) -> tuple[list[int], list[float]]:
        """Samples the next token of each running sequence; see `sampling.sample`.

        Args:
            newest: Newest token of each sequence; sequence i has slot i.
            positions: Positions of these tokens.
            temperatures: Temperature of each sequence.
            uniforms: Random number in [0, 1) for each sequence.

        Returns:
            The tokens, and their log-probabilities.
        """
        count = len(newest)
        self._given.zero_()
        # float64 holds all token ids exactly, so that one transfer brings everything.
        self._given[:, :count] = torch.tensor(
            [newest, positions, temperatures, uniforms], dtype=torch.float64
        )
        self._inputs.copy_(self._given, non_blocking=True)
        size = _size(count, 1, self._slots), _size(max(positions) + 1, _SHORTEST_SPAN, self._length)
        if size not in self._captured:
            self._captured[size] = self._capture(partial(self._sampled, *size), self._inputs)
        tokens, logprobs = self._captured[size]()[:, :count].tolist()
        return [int(token) for token in tokens], logprobs

    def forget(self) -> None:
        """Drops what was captured, because weights and cache get other addresses."""
        self._captured.clear()

    def _sampled(self, count: int, span: int, inputs: torch.Tensor) -> torch.Tensor:
        """[token or log-probability, sequence] of the first `count` columns of the inputs."""
        newest, positions, temperatures, uniforms = inputs[:, :count]
        step = Step.decoding(self._cache, newest.long(), positions.long(), span, self._dtype)
        tokens, logprobs = draw(self._logits(step), temperatures.float(), uniforms)
        return torch.stack([tokens.double(), logprobs.double()])


class CudaGraphs:
    """Captures functions as CUDA graphs, which share their memory: a result holds until the next replay."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, compute: Compute, inputs: torch.Tensor) -> Callable[[], torch.Tensor]:
        # Libraries that prepare themselves at their first call must not do so while it is captured.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(2):
                compute(inputs)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # Another thread may be merging an adapter and allocate memory meanwhile.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            output = compute(inputs)

        def replay() -> torch.Tensor:
            graph.replay()
            return output

        return replay


def _size(needed: int, least: int, most: int) -> int:
    """The smallest power of two that is enough, at least `least` and at most `most`."""
    return min(most, max(least, 1 << (needed - 1).bit_length()))
