"""One episode as a state machine: planning, acting, stepping, and again until it ends.

Every state is a frozen value that knows only the move which comes next, so that a turn cannot be recorded
without its plan, its act and what the environment made of it. No clock, no gRPC, no environment in here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.errors import PreconditionError
from trajectory.episode import Act, Decision, Episode, EpisodeKey, PastTurn, Plan, Told, Turn, TurnContext


@dataclass(frozen=True)
class Assignment:
    """Which episode of which run this is."""

    key: EpisodeKey
    number: int
    group: int
    lease_id: str
    benchmark: str
    task_type: str
    history: int
    """Earlier turns that the models are told of at most."""


@dataclass(frozen=True)
class StepOutcome:
    """What the environment made of an action."""

    observation: str
    reward: float
    terminated: bool
    truncated: bool
    won: bool
    score: float
    seconds: float
    """In the environment."""
    told: Told | None = None
    """The observation as prompts tell it; None to tell it unchanged."""


@dataclass(frozen=True)
class Progress:
    """What has happened so far."""

    assignment: Assignment
    goal: str
    observation: str
    told: Told | None = None
    """The observation as prompts tell it."""
    turns: tuple[Turn, ...] = ()
    past_told: tuple[Told | None, ...] = ()
    """The observation of each of the turns, as prompts tell it."""
    subgoal: str = ""
    subgoal_age: int = 0
    """Turns for which the subgoal has been followed."""

    @property
    def context(self) -> TurnContext:
        """The present turn as the models are told of it."""
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
    """The episode before its first turn."""
    return Planning(Progress(assignment, goal, observation, told))


@dataclass(frozen=True)
class Planning:
    """A turn has begun; the planner is asked."""

    progress: Progress

    @property
    def context(self) -> TurnContext:
        return self.progress.context

    def planned(self, plan: Plan) -> Acting:
        """The planner has answered.

        Raises:
            PreconditionError: it keeps a subgoal where there is none, exchanges one that it keeps, or names
                none where it switches.
        """
        before = self.progress
        number, turn = before.assignment.number, len(before.turns)
        if not plan.subgoal:
            raise PreconditionError(f"the planner named no subgoal at turn {turn} of episode {number}")
        if plan.decision is Decision.SWITCH:
            return Acting(replace(before, subgoal=plan.subgoal, subgoal_age=0), plan)
        if plan.subgoal != before.subgoal:
            raise PreconditionError(
                f"the planner kept {plan.subgoal!r} at turn {turn} of episode {number}, "
                f"where the subgoal is {before.subgoal!r}"
            )
        return Acting(before, plan)


@dataclass(frozen=True)
class Acting:
    """The subgoal stands; the executor is asked."""

    progress: Progress
    plan: Plan

    @property
    def context(self) -> TurnContext:
        return self.progress.context

    def acted(self, act: Act) -> Stepping:
        """The executor has answered."""
        return Stepping(self.progress, self.plan, act)


@dataclass(frozen=True)
class Stepping:
    """The action stands; the environment is asked."""

    progress: Progress
    plan: Plan
    act: Act

    @property
    def action(self) -> str:
        return self.act.action

    def stepped(self, outcome: StepOutcome, seconds: float) -> Planning | Finished:
        """The environment has answered, `seconds` after the turn began."""
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
        """Winning with the very last turn that the limit allows is winning, not truncation."""
        return not self.last.terminated

    @property
    def context(self) -> TurnContext:
        """The turn that did not take place, for prompts at the final observation."""
        return self.progress.context

    def episode(
        self,
        seconds: float,
        planner_prompt_ids: tuple[int, ...] = (),
        executor_prompt_ids: tuple[int, ...] = (),
    ) -> Episode:
        """The record, with the prompts at the final observation where the estimator asks for them."""
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
