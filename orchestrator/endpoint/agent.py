"""Answers a conversation: the planner decides on the subgoal, then the executor acts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from core.seeds import derive
from environments.telling import Telling
from orchestrator.endpoint.conversation import Conversation, EarlierTurn
from play.players import Executor, Planner
from play.telling import shown, told
from trajectory.episode import Decision, Generation, PastTurn, Told, TurnContext

Bound = Callable[[str], AbstractContextManager[tuple[Planner, Executor]]]
"""Returns planner and executor for the calls of one answer, which the text names."""


@dataclass(frozen=True)
class Answer:
    """An action, with the subgoal that it serves."""

    action: str
    subgoal: str
    decision: Decision
    cut: bool
    """Whether the limit on its length ended the action."""
    prompt_tokens: int
    """Tokens of all prompts that the answer took."""
    completion_tokens: int


@dataclass
class _Episode:
    """The state of an episode while its turns are gone through."""

    goal: str
    planner: Planner
    seed: int
    telling: Telling
    history: int
    """Largest number of earlier turns in a context."""
    subgoal: str = ""
    subgoal_age: int = 0
    past: list[PastTurn] = field(default_factory=list)
    generations: list[Generation] = field(default_factory=list)
    """Everything that was sampled."""

    def context(self, observation: str) -> TurnContext:
        """The turn at which `observation` is seen."""
        return TurnContext(
            goal=self.goal,
            turn=len(self.past),
            history=tuple(self.past[-self.history :]) if self.history else (),
            observation=observation,
            subgoal=self.subgoal,
            subgoal_age=self.subgoal_age,
            told=self._told(observation),
        )

    async def plan(self, observation: str) -> Decision:
        """Asks the planner for the subgoal of this turn."""
        seed = derive(self.seed, "planner", len(self.past))
        plan = await self.planner.plan(self.context(observation), seed)
        self.generations.append(plan.generation)
        self._decided(plan.decision, plan.subgoal)
        return plan.decision

    async def go_through(self, turn: EarlierTurn) -> None:
        """Takes over a turn; its subgoal is planned again if the conversation does not have it."""
        if turn.subgoal:
            same = turn.subgoal == self.subgoal and turn.decision is not Decision.SWITCH
            self._decided(Decision.KEEP if same else Decision.SWITCH, turn.subgoal)
        else:
            await self.plan(turn.observation)
        self.past.append(PastTurn(turn.observation, turn.action, self._told(turn.observation)))
        self.subgoal_age += 1

    def _decided(self, decision: Decision, subgoal: str) -> None:
        if decision is Decision.SWITCH:
            self.subgoal, self.subgoal_age = subgoal, 0

    def _told(self, observation: str) -> Told:
        before = self.past[-1].observation if self.past else ""
        return told(self.telling, before, observation, self.goal)


@dataclass(frozen=True)
class Agent:
    """A planner and an executor that answer conversations; keeps nothing between them."""

    bound: Bound
    telling: Telling
    """How the benchmark that the models were trained on shortens texts in prompts."""
    history: int
    """Largest number of earlier turns in a context."""

    async def answer(
        self, name: str, conversation: Conversation, actions: Sequence[str], seed: int
    ) -> Answer:
        """The next action.

        Args:
            name: Unique name of this answer.
            conversation: Episode so far.
            actions: Actions that the environment accepts now; empty if they are not known.
            seed: Seed of the sampling; an earlier turn has the same one at each answer of its conversation.

        Raises:
            HiperError: a server refused the call or cannot be reached; names it.
        """
        with self.bound(name) as (planner, executor):
            episode = _Episode(conversation.goal, planner, seed, self.telling, self.history)
            for turn in conversation.turns:
                await episode.go_through(turn)
            decision = await episode.plan(conversation.observation)
            context = episode.context(conversation.observation)
            act = await executor.act(
                context, shown(self.telling, actions), derive(seed, "executor", context.turn)
            )
        sampled = [*episode.generations, act.generation]
        return Answer(
            act.action,
            context.subgoal,
            decision,
            act.generation.length_limited,
            sum(len(one.prompt_ids) for one in sampled),
            sum(len(one.token_ids) for one in sampled),
        )
