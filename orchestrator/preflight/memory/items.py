"""What a service keeps in memory, item by item."""

from __future__ import annotations

from dataclasses import dataclass

GIB = 1 << 30

CONTEXT_BYTES = GIB // 2
"""What a process takes of a GPU before its first tensor: CUDA context, kernels, cuBLAS workspace. Assumed:
it depends on GPU and driver, and was not measured."""


@dataclass(frozen=True)
class Item:
    """One thing in memory."""

    what: str
    bytes: int
    how: str = ""
    """How the number comes about, in short."""


@dataclass(frozen=True)
class ServiceMemory:
    """One process on one GPU."""

    service: str
    items: tuple[Item, ...]
    remarks: tuple[str, ...] = ()
    """What a person should know beside the sum."""
    warnings: tuple[str, ...] = ()
    """Why it would not run as configured, the sum being too large apart."""
    ranks: int = 1
    """Processes like this one, each on a GPU of its own."""

    @property
    def title(self) -> str:
        """For people."""
        return self.service if self.ranks == 1 else f"{self.service}, each of {self.ranks} ranks"

    @property
    def bytes(self) -> int:
        """All items together."""
        return sum(item.bytes for item in self.items)

    def of(self, what: str) -> int:
        """Bytes of the item called `what`; KeyError without one."""
        return {item.what: item.bytes for item in self.items}[what]


def number_bytes(dtype: str) -> int:
    """Bytes of a number; `auto` counts as bfloat16, which is what it is on the GPUs that this is for."""
    return 4 if dtype == "float32" else 2
