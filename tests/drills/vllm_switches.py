"""Drill of vLLM's bookkeeping of adapters, on the stand-in that refuses what vLLM cannot do."""

from __future__ import annotations

import asyncio
from random import Random

from serving.vllm_adapters import ServedAdapters
from tests.drills.drill import Effort, Row
from tests.serving.vllm_stand_in import StandIn, adapter

_AT_ONCE = 32
_LONGEST = 30
"""Tokens of an answer."""


def vllm_switches(effort: Effort) -> Row:
    """Versions switched one after the other while calls run: each call ends on the adapter it began on."""
    return asyncio.run(_switches(effort))


async def _switches(effort: Effort) -> Row:
    engine, draw = StandIn(), Random(effort.seed)
    adapters: ServedAdapters[int] = ServedAdapters(lambda _, number: number)
    versions = {0: -1}
    """The version of each id in the engine, as the drill gave it."""
    answered = failed = mixed = most = 0
    ended = False

    async def caller() -> None:
        nonlocal answered, failed, mixed, most
        while not ended:
            with adapters.request() as served:
                engine.running.append(served)
                most = max(most, len(engine.loaded))
                spoke = set()
                for _ in range(draw.randint(1, _LONGEST)):
                    await asyncio.sleep(0)
                    spoke.add(versions.get(served.number))
                    failed += served.lora is not None and served.lora not in engine.loaded
                engine.running.remove(served)
                mixed += spoke != {served.version}
                answered += 1

    callers = [asyncio.ensure_future(caller()) for _ in range(_AT_ONCE)]
    count = effort.count(200, least=50)
    for version in range(count):
        versions[version + 1] = version
        await adapters.switch(engine, adapter(version))
        for _ in range(draw.randint(1, 2 * _LONGEST)):
            await asyncio.sleep(0)
    ended = True
    await asyncio.gather(*callers)
    fine = answered and not failed and not mixed and len(engine.loaded) == 1
    note = f"{answered:,} calls answered, {failed} failed, {mixed} mixed; {most} adapters loaded at most"
    return Row("adapters, switches, vLLM's bookkeeping", count, count if fine else 0, note=note)
