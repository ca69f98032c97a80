"""Episodes of the package verifiers, played step by step.

The coroutine in which an environment of verifiers plays an episode runs in the event loop of a thread of its
own, because the loop of whoever calls `step` waits meanwhile.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import threading
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import gymnasium
import verifiers.v1 as vf

from environments.errors import BrokenEnvironmentError
from environments.own_randomness import OwnRandomness
from environments.verifiers_agent import Agent, recorded, text_of

_Result = TypeVar("_Result")
_TEXT_LENGTH = 100_000
_WON = 1.0 - 1e-6
"""Smallest reward of an episode that is won: 1, as far as a sum of weighted rewards reaches it."""


@dataclass(frozen=True)
class Asked:
    """Messages that await a reply, as text."""

    instructions: str
    """System messages; often empty."""
    text: str
    """All other messages."""


@dataclass(frozen=True)
class Ended:
    """The end of an episode."""

    text: str
    """Messages that nobody answered; often empty."""
    reward: float
    """Sum of the weighted rewards."""
    truncated: bool
    """Whether the limit of turns ended it."""


class Conversation:
    """One episode. Its methods are called by the thread that plays, and return when it is to reply again."""

    def __init__(self, environment: Any, task: Any, turns: int) -> None:
        """`turns` is the largest number of replies."""
        self._environment, self._task, self._turns = environment, task, turns
        self._asked: asyncio.Queue[Asked] = asyncio.Queue()
        self._replies: asyncio.Queue[str] = asyncio.Queue()
        self._playing: asyncio.Task[Ended] | None = None
        self._unanswered = ""

    def begin(self) -> Asked | Ended:
        """Starts the episode."""
        return in_background(self._begun())

    def reply(self, text: str) -> Asked | Ended:
        """Answers the last messages; raises whatever the environment raises."""
        return in_background(self._replied(text))

    def close(self) -> None:
        """Breaks the episode off, without a reward, if it has not ended."""
        if self._playing is not None:
            _loop().call_soon_threadsafe(self._playing.cancel)

    async def _begun(self) -> Asked | Ended:
        self._playing = asyncio.create_task(self._played())
        return await self._next(self._playing)

    async def _replied(self, text: str) -> Asked | Ended:
        if self._playing is None:
            raise RuntimeError("the episode has not begun")
        self._replies.put_nowait(text)
        return await self._next(self._playing)

    async def _next(self, playing: asyncio.Task[Ended]) -> Asked | Ended:
        question = asyncio.create_task(self._asked.get())
        await asyncio.wait({question, playing}, return_when=asyncio.FIRST_COMPLETED)
        if question.done():
            return question.result()
        question.cancel()
        try:
            return playing.result()
        except ExceptionGroup as errors:  # of an `asyncio.TaskGroup`, whose own message says nothing
            raise errors.exceptions[0] from errors

    async def _ask(self, messages: list[Any], allowed: bool) -> str | None:
        if not allowed:
            self._unanswered = text_of(messages)
            return None
        instructions = [message for message in messages if message.role == "system"]
        others = [message for message in messages if message.role != "system"]
        self._asked.put_nowait(Asked(text_of(instructions), text_of(others)))
        return await self._replies.get()

    async def _played(self) -> Ended:
        """As `vf.Env.run_episode`, but errors are raised rather than recorded."""
        environment, task = self._environment, self._task
        episode = vf.Episode(env=vf.EnvInfo(id=environment.config.env_id), task=recorded(task))

        def agent(name: str, settings: Any) -> Agent:
            limits = [limit for limit in (self._turns, settings.max_turns) if limit is not None]
            return Agent(name, settings, min(limits), self._ask, episode.traces)

        agents = vf.Agents(environment.config, agent)
        await environment.setup(agents)
        await environment.run(task, agents)
        if not episode.traces:
            raise BrokenEnvironmentError("the episode ended without a conversation")
        await environment.finalize(task, episode)
        (trace,) = episode.traces
        return Ended(self._unanswered, float(trace.reward), bool(trace.is_truncated))


class VerifiersGame(gymnasium.Env[str, str]):
    """An environment of verifiers as a gymnasium environment; the seed of `reset` is the number of a task."""

    observation_space = gymnasium.spaces.Text(_TEXT_LENGTH)
    action_space = gymnasium.spaces.Text(_TEXT_LENGTH)

    def __init__(self, environment: Any, tasks: Sequence[Any], step_limit: int) -> None:
        self._environment, self._tasks, self._step_limit = environment, tasks, step_limit
        self._conversation: Conversation | None = None
        self._randomness = OwnRandomness(None)
        self._number = 0
        self._actions: list[str] = []

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[str, dict[str, Any]]:
        super().reset(seed=seed)
        self.close()
        self._number, self._actions = seed or 0, []
        self._randomness = OwnRandomness(seed)
        self._conversation = Conversation(self._environment, self._tasks[self._number], self._step_limit)
        with self._randomness.used():
            first = self._conversation.begin()
        if isinstance(first, Ended):
            raise BrokenEnvironmentError("the episode ended before its agent was asked anything")
        return first.text or "(nothing)", {"goal": first.instructions}

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        if self._conversation is None:
            raise RuntimeError("there is no episode")
        self._actions.append(action)
        with self._randomness.used():
            after = self._conversation.reply(action)
        if isinstance(after, Asked):
            said = "\n\n".join(filter(None, (after.instructions, after.text)))
            return said or "(nothing)", 0.0, False, False, {}
        ended = {"won": after.reward >= _WON, "score": after.reward}
        text = after.text or "The episode is over."
        return text, after.reward, not after.truncated, after.truncated, ended

    def close(self) -> None:
        if self._conversation is not None:
            self._conversation.close()
            self._conversation = None

    def __del__(self) -> None:
        # Otherwise asyncio complains of a task that is still pending.
        with contextlib.suppress(Exception):
            self.close()

    def __deepcopy__(self, memo: dict[int, Any]) -> VerifiersGame:
        # A coroutine cannot be copied, so its episode is played again.
        twin = VerifiersGame(self._environment, self._tasks, self._step_limit)
        twin.reset(seed=self._number)
        for action in self._actions:
            twin.step(action)
        return twin


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    """The event loop of all conversations of this process."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="verifiers", daemon=True).start()
    atexit.register(lambda: in_background(_broken_off()))
    return loop


async def _broken_off() -> None:
    """Ends all episodes, so that asyncio does not complain of them when Python exits."""
    if playing := asyncio.all_tasks() - {asyncio.current_task()}:
        for each in playing:
            each.cancel()
        await asyncio.wait(playing, timeout=1.0)


def in_background(work: Coroutine[Any, Any, _Result]) -> _Result:
    """The result of a coroutine that runs in the event loop of the conversations."""
    return asyncio.run_coroutine_threadsafe(work, _loop()).result()
