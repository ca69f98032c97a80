"""The items that a service keeps in memory."""

from __future__ import annotations

from dataclasses import dataclass

GIB = 1 << 30

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

    def of(self, what: str) -> int:
        """Bytes of the item called `what`; raises KeyError if there is none."""
        return {item.what: item.bytes for item in self.items}[what]


def number_bytes(dtype: str) -> int:
    """Bytes of a number; `auto` counts as bfloat16, which it is on the GPUs that the estimates are for."""
    return {"float64": 8, "float32": 4, "fp8": 1}.get(dtype, 2)
