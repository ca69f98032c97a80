"""The agent of an environment of the package verifiers, whose replies come from whoever plays.

An environment of verifiers drives its episode itself: its `run` opens a conversation with an agent and awaits
the reply to each message. verifiers' own agents run a program that calls a model; this one awaits the action.
There is no sandbox and no tool server: `environments.verifiers_text` refuses environments that need one.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import verifiers.v1 as vf
from pydantic import TypeAdapter
from verifiers.v1.state import state_cls

from environments.errors import BrokenEnvironmentError

Ask = Callable[[list[Any], bool], Awaitable[str | None]]
"""Returns the reply to messages; none if, as the second argument says, no further reply is allowed."""


class Agent:
    """The agent as an environment sees it, as far as a conversation of texts needs it; see `vf.Agent`."""

    def __init__(self, name: str, settings: Any, turns: int, ask: Ask, finished: list[Any]) -> None:
        """A new agent for one episode.

        Args:
            name: Key of the agent in the environment's configuration.
            settings: The `vf.AgentConfig` there.
            turns: Largest number of replies in a conversation.
            ask: Function that awaits a reply.
            finished: List to which the trace of each finished conversation is added.
        """
        self.trainable = True
        self._name, self._settings, self._turns = name, settings, turns
        self._ask, self._finished = ask, finished
        self._started = False

    async def run(self, task: Any, **options: Any) -> Any:
        """One reply to the task's prompt; returns the finished trace."""
        async with self.interaction(task, **options) as interaction:
            await interaction.turn()
            interaction.trace.stop("agent_completed")
        return interaction.trace

    @asynccontextmanager
    async def interaction(
        self, task: Any, *, on_trace: Callable[[Any], None] | None = None, **_: Any
    ) -> AsyncIterator[Interaction]:
        """A conversation about a task, which is scored when the block ends.

        Raises:
            BrokenEnvironmentError: it is not the first one of the episode.
        """
        if self._started:
            raise BrokenEnvironmentError("a second conversation begins; only one is played in an episode")
        self._started = True
        trace = vf.Trace(
            task=recorded(task),
            state=state_cls(type(task))(),
            agent=vf.AgentInfo(config=self._settings, name=self._name, trainable=self.trainable),
        )
        if on_trace is not None:
            on_trace(trace)
        await _called(task.setup, trace)
        yield Interaction(task, trace, self._turns, self._ask)
        trace.stop("user_closed")
        await _called(task.finalize, trace)
        await task.score(trace)
        trace.ok = True
        self._finished.append(trace)


class Interaction:
    """A conversation with the agent; see `vf.Interaction`."""

    def __init__(self, task: Any, trace: Any, turns: int, ask: Ask) -> None:
        self.trace = trace
        self._task, self._turns, self._ask = task, turns, ask
        self._over = False

    async def turn(self, message: Any = None) -> Any:
        """The reply to a message, or to the task's prompt, as a `vf.Segment`.

        Raises:
            RuntimeError: the conversation is over.
            ValueError: there is nothing to reply to, or a message before the task's prompt.
        """
        if self._over:
            raise RuntimeError("the conversation is over, as the last segment said")
        messages = self._new(message)
        stop = await self._stop()
        reply = await self._ask(messages, stop is None)
        if reply is None:
            self._over = True
            self.trace.stop(stop)
            return vf.Segment(messages=[], terminated=True)
        for each in messages:
            self._add(each)
        spoken = vf.AssistantMessage(content=reply)
        self._add(spoken, sampled=True)
        return vf.Segment(messages=[spoken])

    def _new(self, message: Any) -> list[Any]:
        """The messages that are not in the trace yet."""
        data, opening = self._task.data, []
        if not self.trace.nodes:
            if data.system_prompt:
                opening.append(vf.SystemMessage(content=data.system_prompt))
            if data.prompt is not None and message is not None:
                raise ValueError("the task's prompt opens the conversation: the first turn takes no message")
            message = data.prompt if message is None else message
        if message is None:
            raise ValueError("there is no message to reply to")
        if isinstance(message, str):
            return [*opening, vf.UserMessage(content=message)]
        return [*opening, *TypeAdapter(vf.Messages).validate_python(message)]

    async def _stop(self) -> str | None:
        """The name of what forbids another reply."""
        if self.trace.num_turns >= self._turns:
            return "max_turns"
        for stop in self._task.hooks("stop"):
            found = stop(self.trace)
            if await found if inspect.isawaitable(found) else found:
                return str(stop.__name__)
        return None

    def _add(self, message: Any, sampled: bool = False) -> None:
        nodes = self.trace.nodes
        nodes.append(
            vf.MessageNode(parent=len(nodes) - 1 if nodes else None, message=message, sampled=sampled)
        )


def recorded(task: Any) -> Any:
    """A task as traces and episodes record it."""
    return vf.TraceTask(type=type(task).__name__, data=task.data, key=task.key, hash=task.hash)


def text_of(messages: list[Any]) -> str:
    """The text of messages.

    Raises:
        BrokenEnvironmentError: one has an image.
    """
    parts = []
    for message in messages:
        content = message.content or ""
        if isinstance(content, list):
            if any(part.type != "text" for part in content):
                raise BrokenEnvironmentError("a message has an image; only text is played")
            content = "\n".join(part.text for part in content)
        parts.append(content)
    return "\n\n".join(parts)


async def _called(hook: Callable[..., Any], trace: Any) -> None:
    """Calls `setup` or `finalize` of a task, which takes some of these arguments."""
    available = {"trace": trace, "runtime": None}
    await hook(**{name: available[name] for name in inspect.signature(hook).parameters})
