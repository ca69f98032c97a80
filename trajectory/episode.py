"""Episodes as plain frozen values: what was shown, said, done and rewarded, turn by turn."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Decision(Enum):
    """What the planner decided at a turn."""

    KEEP = "keep"
    """The current subgoal stays; an answer that cannot be parsed counts as this."""
    SWITCH = "switch"
    """A new subgoal begins, and with it a segment."""


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
    """What a model was shown and what it said, as sampled; never re-tokenised."""

    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    """Natural logarithm of each token's probability under the distribution it was drawn from."""
    adapter_version: int
    """-1 for the base model alone."""
    temperature: float
    length_limited: bool
    engine_seconds: float


@dataclass(frozen=True)
class Told:
    """An observation as a prompt tells it that shows the whole episode."""

    alone: str
    """The text where the prompt does not show the turn before."""
    after: str
    """The text where the prompt shows the turn before as well."""


@dataclass(frozen=True)
class PastTurn:
    """An earlier turn, as a prompt shows it."""

    observation: str
    action: str
    told: Told | None = None
    """The observation as it is told; None to tell it unchanged."""


@dataclass(frozen=True)
class TurnContext:
    """What both models are told of the present turn."""

    goal: str
    turn: int
    """0 for the first."""
    history: tuple[PastTurn, ...]
    """The last turns, oldest first."""
    observation: str
    subgoal: str
    """For the planner the current one, empty at turn 0; for the executor the one to follow."""
    subgoal_age: int
    """Turns for which it has been followed."""
    told: Told | None = None
    """The observation as it is told; None to tell it unchanged."""


@dataclass(frozen=True)
class AdmissibleAction:
    """An action that the environment accepts now, as the executor's prompt may show it."""

    text: str
    follows: bool = False
    """Whether a reader of the whole episode knows that it is possible; a transcript does not list it then."""
    place: str = ""
    """The place that it goes to, empty for every other action."""


@dataclass(frozen=True)
class Plan:
    """The planner's answer, parsed."""

    decision: Decision
    subgoal: str
    """In force from now on."""
    valid: bool
    generation: Generation
    decision_span: Span
    subgoal_span: Span


@dataclass(frozen=True)
class Act:
    """The executor's answer, parsed."""

    action: str
    valid: bool
    generation: Generation
    action_span: Span


@dataclass(frozen=True)
class Turn:
    """One turn: both answers, and what came of them."""

    observation: str
    """What the turn began with."""
    plan: Plan
    act: Act
    reward: float
    """The benchmark's own, unscaled and unshaped."""
    seconds: float
    environment_seconds: float


@dataclass(frozen=True)
class EpisodeKey:
    """What makes an episode one and the same, however often it is sent."""

    run_id: str
    task_id: str
    seed: int
    attempt: int


@dataclass(frozen=True)
class Episode:
    """A finished episode."""

    key: EpisodeKey
    number: int
    """Place in the run, from 0."""
    group: int
    """Episodes of one group play the same task."""
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
    """The planner's prompt at `final_observation`, for bootstrap = final; else empty."""
    final_executor_prompt_ids: tuple[int, ...]
    seconds: float

    @property
    def versions(self) -> frozenset[int]:
        """Adapter versions that spoke in it."""
        return frozenset(
            v
            for t in self.turns
            for v in (t.plan.generation.adapter_version, t.act.generation.adapter_version)
        )
