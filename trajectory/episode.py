"""Episodes as plain frozen values: observations, answers, actions and rewards, turn by turn."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Decision(Enum):
    """The planner's decision at a turn."""

    KEEP = "keep"
    """The current subgoal stays; an answer that cannot be parsed counts as this."""
    SWITCH = "switch"
    """A new subgoal begins, and with it a new segment of the episode."""


@dataclass(frozen=True)
class Span:
    """A half-open range of indices into a generation's token ids."""

    begin: int
    end: int

    def __len__(self) -> int:
        return self.end - self.begin


EMPTY_SPAN = Span(0, 0)


@dataclass(frozen=True)
class Generation:
    """A model's prompt and answer as the token ids that were sampled; the text is never tokenised again."""

    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    """Natural logarithm of each sampled token's probability under the distribution it was drawn from."""
    adapter_version: int
    """Version of the adapter that answered; -1 for the base model alone."""
    temperature: float
    length_limited: bool
    """Whether the answer was cut off at the limit on its length."""
    engine_seconds: float
    """Time the engine took, including the wait in its queue."""


def ending_of(won: bool, terminated: bool) -> str:
    """The ending of an episode in words: `won`, `lost`, or `out of turns` if the step limit ended it."""
    return "won" if won else "lost" if terminated else "out of turns"


@dataclass(frozen=True)
class Told:
    """An observation in the shortened form that prompts showing a whole episode use."""

    alone: str
    """Text for prompts that do not show the turn before."""
    after: str
    """Text for prompts that also show the turn before, which it need not repeat."""


@dataclass(frozen=True)
class PastTurn:
    """An earlier turn as prompts show it."""

    observation: str
    action: str
    told: Told | None = None
    """Shortened form of the observation; None to show it unchanged."""


@dataclass(frozen=True)
class TurnContext:
    """What a model is told about the current turn."""

    goal: str
    turn: int
    """Number of the turn, from 0."""
    history: tuple[PastTurn, ...]
    """The most recent turns, oldest first."""
    observation: str
    subgoal: str
    """Subgoal in force: for the planner before its decision (empty at turn 0), for the executor after it."""
    subgoal_age: int
    """Number of turns for which the subgoal has been in force."""
    told: Told | None = None
    """Shortened form of the observation; None to show it unchanged."""


@dataclass(frozen=True)
class AdmissibleAction:
    """An action that the environment accepts now, with what the executor's prompts need to know of it."""

    text: str
    follows: bool = False
    """Whether it follows from the transcript that the action is possible, so that it is not listed there."""
    place: str = ""
    """Place that the action goes to; empty for every other action."""


@dataclass(frozen=True)
class Plan:
    """The planner's answer, parsed."""

    decision: Decision
    subgoal: str
    """Subgoal in force from this turn on, whether kept or new."""
    valid: bool
    """Whether the answer could be parsed."""
    generation: Generation
    decision_span: Span
    """Tokens of `generation` that state the decision."""
    subgoal_span: Span
    """Tokens of `generation` that state the new subgoal; empty where it is kept."""


@dataclass(frozen=True)
class Act:
    """The executor's answer, parsed."""

    action: str
    valid: bool
    """Whether the answer could be parsed."""
    generation: Generation
    action_span: Span
    """Tokens of `generation` that state the action."""


@dataclass(frozen=True)
class Turn:
    """One turn: both models' answers and the environment's response."""

    observation: str
    """Observation at the beginning of the turn, before the action."""
    plan: Plan
    act: Act
    reward: float
    """Reward of the benchmark, neither scaled nor shaped."""
    seconds: float
    """Duration of the whole turn."""
    environment_seconds: float
    """Duration of the environment's step, a part of `seconds`."""


@dataclass(frozen=True)
class EpisodeKey:
    """Identity of an episode: one that is sent twice has the same key both times."""

    run_id: str
    task_id: str
    seed: int
    attempt: int


@dataclass(frozen=True)
class Episode:
    """A finished episode."""

    key: EpisodeKey
    number: int
    """Position in the run, from 0."""
    group: int
    """Group of the episode; all episodes of a group play the same task."""
    lease_id: str
    benchmark: str
    task_type: str
    goal: str
    turns: tuple[Turn, ...]
    terminated: bool
    truncated: bool
    won: bool
    score: float
    final_observation: str
    final_planner_prompt_ids: tuple[int, ...]
    """Planner's prompt at `final_observation`, needed with bootstrap = final; else empty."""
    final_executor_prompt_ids: tuple[int, ...]
    seconds: float

    @property
    def ending(self) -> str:
        """The ending in words: `won`, `lost` or `out of turns`."""
        return ending_of(self.won, self.terminated)

    @property
    def versions(self) -> frozenset[int]:
        """Versions of all adapters that answered in the episode, planner's and executor's."""
        return frozenset(
            v
            for t in self.turns
            for v in (t.plan.generation.adapter_version, t.act.generation.adapter_version)
        )
