"""The items that a service keeps in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

GIB = 1 << 30
LEARNER = "learner"
"""Name of the learner among the services."""

CONTEXT = "CUDA context"
CONTEXT_BYTES = GIB // 2
"""Memory that a process takes on a GPU before its first tensor: CUDA context, kernels, cuBLAS workspace. This
is an assumption: it depends on the GPU and driver, and was not measured."""


@dataclass(frozen=True)
class Item:
    """A part of a service's memory."""

    what: str
    bytes: int
    how: str = ""
    """Short explanation of the number."""
    given_up: bool = False
    """Whether the memory is free while another service needs it: a server's during an update, the learner's
    while episodes are played."""


@dataclass(frozen=True)
class ServiceMemory:
    """The memory of a process on one GPU."""

    service: str
    items: tuple[Item, ...]
    remarks: tuple[str, ...] = ()
    """Lines to print below the table."""
    warnings: tuple[str, ...] = ()
    """Reasons why it would not run as configured, other than a sum that is too large."""
    ranks: int = 1
    """Number of such processes, each on a GPU of its own unless they share."""
    kind: str = "ranks"
    """Name of these processes for people: `ranks` or `replicas`."""

    @property
    def title(self) -> str:
        """Name of the service for people, with the number of processes."""
        return self.service if self.ranks == 1 else f"{self.service}, each of {self.ranks} {self.kind}"

    @property
    def bytes(self) -> int:
        """Sum of all items."""
        return sum(item.bytes for item in self.items)

    @property
    def bytes_at_rest(self) -> int:
        """Sum of the items that are held while another service needs the GPU."""
        return sum(item.bytes for item in self.items if not item.given_up)

    def of(self, what: str) -> int:
        """Bytes of the item called `what`; raises KeyError if there is none."""
        return {item.what: item.bytes for item in self.items}[what]


def bytes_together(services: Iterable[ServiceMemory]) -> int:
    """Bytes that services on one GPU need at once: while episodes are played, or during an update."""
    each = tuple(services)

    def needed(updating: bool) -> int:
        return sum(one.bytes if (one.service == LEARNER) == updating else one.bytes_at_rest for one in each)

    return max(needed(updating=False), needed(updating=True))


def number_bytes(dtype: str) -> int:
    """Bytes of a number; `auto` counts as bfloat16, which it is on the GPUs that the estimates are for."""
    return {"float64": 8, "float32": 4, "fp8": 1}.get(dtype, 2)
