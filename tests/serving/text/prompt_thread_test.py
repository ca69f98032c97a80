"""While a prompt is rendered the event loop goes on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from configuration.servers import PlannerSettings
from executor.prompt import ExecutorPrompt
from executor.service import ExecutorService
from planner.prompt import PlannerPrompt
from planner.service import PlannerService
from serving.bundled_model import bundled_model
from serving.embedded.engine import EmbeddedEngine
from serving.model import ModelFolder, load_tokenizer
from serving.text.prompt_thread import PromptThread
from trajectory.episode import TurnContext

CONTEXT = TurnContext("goal", 1, (), "observation", "subgoal", 1)
SECONDS = 20


def calls() -> dict[str, Callable[[], Awaitable[object]]]:
    """All that renders a prompt, by name; the engine need not run."""
    folder, settings = bundled_model(), PlannerSettings()
    tokenizer, engine = load_tokenizer(folder), EmbeddedEngine(ModelFolder(folder, "bundled", ""))
    planner = PlannerService(engine, tokenizer, settings)
    executor = ExecutorService(engine, tokenizer, settings)
    return {
        "plan": lambda: planner.plan(CONTEXT, 0),
        "plan, prompt only": lambda: planner.prompt_only(CONTEXT),
        "act": lambda: executor.act(CONTEXT, ("look",), 0),
        "act, prompt only": lambda: executor.prompt_only(CONTEXT, ("look",)),
    }


class RenderedError(Exception):
    """Ends a call once its prompt is rendered."""


def test_prompts_are_rendered_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def render(*_: object) -> tuple[int, ...]:
        begun.set()
        assert go_on.wait(SECONDS), "the event loop waits for this thread"
        raise RenderedError

    monkeypatch.setattr(PlannerPrompt, "render", render)
    monkeypatch.setattr(ExecutorPrompt, "render", render)

    async def play(call: Callable[[], Awaitable[object]]) -> None:
        begun.clear()
        go_on.clear()
        rendering = asyncio.ensure_future(call())
        async with asyncio.timeout(SECONDS):
            while not begun.is_set():
                await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(RenderedError):
            await rendering

    for call in calls().values():
        asyncio.run(play(call))


def test_a_call_that_is_cancelled_while_it_waits_is_not_rendered() -> None:
    go_on, rendered = threading.Event(), []

    async def play() -> None:
        thread = PromptThread()
        first = asyncio.ensure_future(thread.run(go_on.wait, SECONDS))
        dropped = asyncio.ensure_future(thread.run(rendered.append, "dropped"))
        last = asyncio.ensure_future(thread.run(rendered.append, "last"))
        await asyncio.sleep(0)
        dropped.cancel()
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(first, last)

    asyncio.run(play())
    assert rendered == ["last"]
