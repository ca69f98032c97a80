"""The processes (ranks) that compute an update together: how they share the work and exchange results."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed

from core.errors import PreconditionError
from learner.update.ports import free_port

_LONGEST_WAIT = timedelta(days=365)
"""Time for which a rank waits for a command; it has nothing to do while episodes are being played."""


@dataclass(frozen=True)
class Ranks:
    """This process among those that compute together. All must call the same methods in the same order."""

    rank: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Whether this rank writes the files and answers calls."""
        return self.rank == 0

    def owns(self, place: int) -> bool:
        """Whether this rank computes the part of the work with this number."""
        return place % self.count == self.rank

    def idle(self, places: Iterable[int]) -> int:
        """Number of these parts that another rank computes more than this one, the rank with the most."""
        parts = Counter(place % self.count for place in places)
        return max(parts.values(), default=0) - parts[self.rank]

    def sum(self, tensor: Tensor) -> Tensor:
        """Adds up the tensors of all ranks, in place; returns the same tensor."""
        if self.count > 1:
            distributed.all_reduce(tensor)
        return tensor


ALONE = Ranks()


class CommandChannel:
    """Sends texts from rank 0 to all others."""

    def __init__(self, ranks: Ranks) -> None:
        """All ranks must create theirs at the same time."""
        self._ranks = ranks
        # Another group than for sums: texts are on the CPU, and only they may take so long to arrive.
        self._group = distributed.new_group(backend="gloo", timeout=_LONGEST_WAIT)

    def send(self, text: str) -> None:
        """Sends a text, which must not be empty: an empty one means the end."""
        content = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)
        self._broadcast(torch.tensor([len(content)]))
        self._broadcast(content)

    def close(self) -> None:
        """Tells the other ranks that no text will follow."""
        self._broadcast(torch.zeros(1, dtype=torch.long))
        self._broadcast(torch.zeros(0, dtype=torch.uint8))

    def receive(self) -> str | None:
        """Waits for the next text; None if there will be none, also if rank 0 has ended without a word."""
        try:
            length = self._broadcast(torch.zeros(1, dtype=torch.long))
            content = self._broadcast(torch.zeros(int(length), dtype=torch.uint8))
        except RuntimeError:
            return None
        return content.numpy().tobytes().decode() or None

    def _broadcast(self, tensor: Tensor) -> Tensor:
        distributed.broadcast(tensor, src=0, group=self._group)
        return tensor


def join(count: int) -> Ranks:
    """Joins the group of `count` processes that DeepSpeed's launcher describes in environment variables.

    Raises:
        PreconditionError: the launcher has started another number of processes.
    """
    import deepspeed

    # DeepSpeed would otherwise compile its shared-memory reduction here, which takes a compiler and a minute.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    if "RANK" not in os.environ:
        _alone_in_the_environment()
    started = int(os.environ["WORLD_SIZE"])
    if started != count:
        raise PreconditionError(f"learner.ranks = {count}, but {started} processes were started")
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    deepspeed.init_distributed(verbose=False)
    return Ranks(int(os.environ["RANK"]), count)


def _alone_in_the_environment() -> None:
    os.environ.update(RANK="0", LOCAL_RANK="0", WORLD_SIZE="1")
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(free_port()))
