"""Demonstrations as episodes: a teacher plays, and its moves are written in the models' answer formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from transformers import PreTrainedTokenizerBase

from configuration.servers import ModelServerSettings, PlannerSettings
from environments.benchmark import Benchmark, DemonstrationStep, StepInfo, Task, TextEnvironment
from executor.parser import ExecutorParser
from executor.prompt import ExecutorPrompt
from learner.imitation.teachers import TaughtTurn, Teacher, WithoutSubgoals
from planner.parser import PlannerParser
from planner.prompt import PlannerPrompt
from play.players import OneOfEach, Players
from serving.engine import BASE_VERSION
from trajectory.episode import Act, AdmissibleAction, Decision, Episode, Generation, Plan, TurnContext
from trajectory.fence import Fence
from trajectory.lease import Lease

_LEASE = Lease(
    lease_id="", run_id="demonstration", number=0, group=0, attempt=0, task_seed=0, seed=0, version=0
)


@dataclass(frozen=True, eq=False)
class Formats:
    """The prompts of planner and executor, and the parsers of their answers."""

    planner_prompt: PlannerPrompt
    planner_parser: PlannerParser
    executor_prompt: ExecutorPrompt
    executor_parser: ExecutorParser
    history: int
    """Largest number of earlier turns that either prompt shows."""
    hierarchy: bool
    """Whether there are subgoals; if not, the task is the only one."""

    @classmethod
    def of(
        cls,
        tokenizer: PreTrainedTokenizerBase,
        planner: PlannerSettings,
        executor: ModelServerSettings,
    ) -> Formats:
        """The same formats as those of the two servers."""
        return cls(
            PlannerPrompt.of(tokenizer, planner),
            PlannerParser(tokenizer, thinks=planner.think > 0),
            ExecutorPrompt.of(tokenizer, executor),
            ExecutorParser(tokenizer, thinks=executor.think > 0),
            max(planner.history, executor.history),
            planner.hierarchy,
        )


@dataclass(frozen=True, eq=False)
class Lesson:
    """An episode to learn from."""

    episode: Episode
    """Episode as it was played, with mistakes."""
    right: tuple[DemonstrationStep, ...]
    """Right subgoal and action of each turn; where they differ from those played, that was a mistake."""
    admissible: tuple[tuple[str, ...], ...]
    """Actions that the environment accepted at each turn."""


async def lesson(
    benchmark: Benchmark,
    environment: TextEnvironment,
    task: Task,
    formats: Formats,
    teacher: Teacher,
    seed: int = 0,
) -> Lesson:
    """The teacher's episode of `task`, as if the two models had answered with the teacher's moves.

    The planner's answer is SWITCH with the subgoal where the teacher's subgoal changes, and KEEP elsewhere.
    All answers are read back by the servers' parsers, so that only what they understand is taught. The
    log-probabilities are 0, as of a teacher who is certain. `seed` is the environment's.
    """
    demonstrator = _Demonstrator(
        environment, teacher if formats.hierarchy else WithoutSubgoals(teacher), formats
    )
    players = Players(
        models=OneOfEach(demonstrator, demonstrator),
        benchmark=benchmark,
        history=formats.history,
        final_prompts=False,
        clock=lambda: 0.0,
    )
    episode = await players.play(replace(_LEASE, seed=seed), task, demonstrator)
    return Lesson(episode, tuple(turn.right for turn in demonstrator.turns), tuple(demonstrator.admissible))


class _Demonstrator:
    """Planner and executor in one: both answer with the teacher's moves.

    It also wraps the environment, because a teacher sees more than the models are told.
    """

    def __init__(self, environment: TextEnvironment, teacher: Teacher, formats: Formats) -> None:
        self._environment, self._teacher, self._formats = environment, teacher, formats
        self.turns: list[TaughtTurn] = []
        self.admissible: list[tuple[str, ...]] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, str] | None = None
    ) -> tuple[str, StepInfo]:
        self._observation, self._info = self._environment.reset(seed=seed, options=options)
        self._teacher.begin(self._observation, self._info)
        return self._observation, self._info

    def step(self, action: str) -> tuple[str, float, bool, bool, StepInfo]:
        answer = self._environment.step(action)
        self._observation, *_, self._info = answer
        return answer

    async def plan(self, context: TurnContext, seed: int, fence: Fence | None = None) -> Plan:
        before = self.turns[-1].step.subgoal if self.turns else ""
        self.turns.append(self._teacher.turn(self._observation, self._info))
        self.admissible.append(self._info["admissible_actions"])
        subgoal, parser = self.turns[-1].step.subgoal, self._formats.planner_parser
        decision = Decision.KEEP if subgoal == before else Decision.SWITCH
        answer = parser.answer_ids(decision, subgoal, context.turn)
        read = parser.parse(answer, context.turn, context.goal, context.subgoal)
        return Plan(
            decision=read.decision,
            subgoal=read.subgoal,
            valid=read.valid,
            generation=_said(self._formats.planner_prompt.render(context), answer),
            decision_span=read.decision_span,
            subgoal_span=read.subgoal_span,
        )

    async def act(
        self,
        context: TurnContext,
        actions: tuple[AdmissibleAction, ...],
        seed: int,
        fence: Fence | None = None,
    ) -> Act:
        action = self.turns[-1].step.action
        answer = self._formats.executor_parser.answer_ids(action)
        read = self._formats.executor_parser.parse(answer)
        prompt = self._formats.executor_prompt.render(context, actions)
        # Not the action as it is read: an answer that could not be parsed is played as it was.
        return Act(action, read.valid, _said(prompt, answer), read.action_span)

    async def prompt(
        self, context: TurnContext, actions: tuple[AdmissibleAction, ...] = ()
    ) -> tuple[int, ...]:
        raise NotImplementedError("a demonstration ends without prompts at its final observation")


def _said(prompt_ids: Sequence[int], answer: Sequence[int]) -> Generation:
    return Generation(
        prompt_ids=tuple(prompt_ids),
        token_ids=tuple(answer),
        logprobs=(0.0,) * len(answer),
        adapter_version=BASE_VERSION,
        temperature=1.0,
        length_limited=False,
        engine_seconds=0.0,
    )
