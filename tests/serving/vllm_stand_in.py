"""A stand-in for vLLM's handling of adapters, which refuses what vLLM cannot do."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from serving.engine import LoadedAdapter
from serving.vllm_adapters import Served, ServedAdapters

SLOTS = 2
"""Adapters that fit, as the engine asks of vLLM (max_loras)."""


class StandIn:
    """Holds the ids of the loaded adapters."""

    def __init__(self) -> None:
        self.loaded: set[int] = set()
        self.running: list[Served[int]] = []
        self.refuse_to_load = self.refuse_to_remove = False

    async def add_lora(self, lora_request: int) -> bool:
        if self.refuse_to_load:
            raise ValueError("no such adapter")
        assert lora_request not in self.loaded
        assert len(self.loaded) < SLOTS, "one more than fit"
        self.loaded.add(lora_request)
        return True

    async def remove_lora(self, lora_id: int) -> bool:
        if self.refuse_to_remove:
            raise RuntimeError("busy")
        assert all(served.number != lora_id for served in self.running), "requests run on it"
        self.loaded.remove(lora_id)
        return True


def adapter(version: int) -> LoadedAdapter:
    return LoadedAdapter(f"test@{version}", version, Path("nowhere"))


class Requests:
    """Requests that begin and end as the test says."""

    def __init__(self, engine: StandIn, adapters: ServedAdapters[int]) -> None:
        self._engine, self._adapters = engine, adapters
        self._open: list[tuple[ExitStack, Served[int]]] = []

    def begin(self) -> Served[int]:
        stack = ExitStack()
        served = stack.enter_context(self._adapters.request())
        assert served.lora is None or served.lora in self._engine.loaded
        self._engine.running.append(served)
        self._open.append((stack, served))
        return served

    def end(self, index: int = 0) -> None:
        stack, served = self._open.pop(index)
        self._engine.running.remove(served)
        stack.close()

    def __len__(self) -> int:
        return len(self._open)
