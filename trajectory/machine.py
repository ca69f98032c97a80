"""One episode as a state machine: planning, acting and stepping, repeated until the episode ends.

Every state is a frozen value with a method for the next transition only, so that no turn can be recorded
without its plan, its act and the environment's response. Clocks, gRPC and environments stay outside.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.errors import PreconditionError
from trajectory.episode import Act, Decision, Episode, EpisodeKey, PastTurn, Plan, Told, Turn, TurnContext


@dataclass(frozen=True)
class Assignment:
    """Identity of the episode, and how much history its prompts show."""

    key: EpisodeKey
    number: int
    group: int
    lease_id: str
    benchmark: str
    task_type: str
    history: int
    """Largest number of earlier turns that the models are shown."""


@dataclass(frozen=True)
class StepOutcome:
    """The environment's response to an action."""

    observation: str
    reward: float
    terminated: bool
    truncated: bool
    won: bool
    score: float
    seconds: float
    """Duration of the environment's step."""
    told: Told | None = None
    """Shortened form of the observation for prompts; None to show it unchanged."""


@dataclass(frozen=True)
class Progress:
    """The episode so far."""

    assignment: Assignment
    goal: str
    observation: str
    told: Told | None = None
    """Shortened form of the observation for prompts."""
    turns: tuple[Turn, ...] = ()
    past_told: tuple[Told | None, ...] = ()
    """Shortened form of the observation of each turn, for prompts."""
    subgoal: str = ""
    subgoal_age: int = 0
    """Number of turns for which the subgoal has been in force."""

    @property
    def context(self) -> TurnContext:
        """What the models are told about the current turn."""
        # Not turns[-history:], which for a history of 0 would be all turns.
        first = max(0, len(self.turns) - self.assignment.history)
        last = zip(self.turns[first:], self.past_told[first:], strict=True)
        return TurnContext(
            goal=self.goal,
            turn=len(self.turns),
            history=tuple(PastTurn(turn.observation, turn.act.action, told) for turn, told in last),
            observation=self.observation,
            subgoal=self.subgoal,
            subgoal_age=self.subgoal_age,
            told=self.told,
        )


def begin(assignment: Assignment, goal: str, observation: str, told: Told | None = None) -> Planning:
    """The state before the first turn."""
    return Planning(Progress(assignment, goal, observation, told))


@dataclass(frozen=True)
class Planning:
    """A turn has begun, and the planner must decide."""

    progress: Progress

    @property
    def context(self) -> TurnContext:
        return self.progress.context

    def planned(self, plan: Plan) -> Acting:
        """The state after the planner's answer.

        Raises:
            PreconditionError: the planner named no subgoal, or kept one that is not in force.
        """
        before = self.progress
        number, turn = before.assignment.number, len(before.turns)
        if not plan.subgoal:
            raise PreconditionError(f"the planner named no subgoal at turn {turn} of episode {number}")
        if plan.decision is Decision.SWITCH:
            return Acting(replace(before, subgoal=plan.subgoal, subgoal_age=0), plan)
        if plan.subgoal != before.subgoal:
            raise PreconditionError(
                f"the planner kept the subgoal {plan.subgoal!r} at turn {turn} of episode {number}, "
                f"but the one in force is {before.subgoal!r}"
            )
        return Acting(before, plan)


@dataclass(frozen=True)
class Acting:
    """The subgoal is decided, and the executor must act."""

    progress: Progress
    plan: Plan

    @property
    def context(self) -> TurnContext:
        return self.progress.context

    def acted(self, act: Act) -> Stepping:
        """The state after the executor's answer."""
        return Stepping(self.progress, self.plan, act)


@dataclass(frozen=True)
class Stepping:
    """The action is chosen, and the environment must carry it out."""

    progress: Progress
    plan: Plan
    act: Act

    @property
    def action(self) -> str:
        return self.act.action

    def stepped(self, outcome: StepOutcome, seconds: float) -> Planning | Finished:
        """The state after the environment's response; the whole turn took `seconds`."""
        before = self.progress
        turn = Turn(before.observation, self.plan, self.act, outcome.reward, seconds, outcome.seconds)
        after = replace(
            before,
            observation=outcome.observation,
            told=outcome.told,
            turns=(*before.turns, turn),
            past_told=(*before.past_told, before.told),
            subgoal_age=before.subgoal_age + 1,
        )
        ended = outcome.terminated or outcome.truncated
        return Finished(after, outcome) if ended else Planning(after)


@dataclass(frozen=True)
class Finished:
    """The episode has ended."""

    progress: Progress
    last: StepOutcome

    @property
    def truncated(self) -> bool:
        """Whether the step limit ended the episode; winning at the last allowed turn is not truncation."""
        return not self.last.terminated

    @property
    def context(self) -> TurnContext:
        """The turn that would come next, for prompts at the final observation."""
        return self.progress.context

    def episode(
        self,
        seconds: float,
        planner_prompt_ids: tuple[int, ...] = (),
        executor_prompt_ids: tuple[int, ...] = (),
    ) -> Episode:
        """The finished episode, with the prompts at the final observation if the estimator needs them."""
        assignment = self.progress.assignment
        return Episode(
            key=assignment.key,
            number=assignment.number,
            group=assignment.group,
            lease_id=assignment.lease_id,
            benchmark=assignment.benchmark,
            task_type=assignment.task_type,
            goal=self.progress.goal,
            turns=self.progress.turns,
            terminated=self.last.terminated,
            truncated=self.truncated,
            won=self.last.won,
            score=self.last.score,
            final_observation=self.progress.observation,
            final_planner_prompt_ids=planner_prompt_ids,
            final_executor_prompt_ids=executor_prompt_ids,
            seconds=seconds,
        )
