"""Demonstrations as episodes: a scripted player plays, and its moves are written in the models' answer
formats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from transformers import PreTrainedTokenizerBase

from configuration.servers import ModelServerSettings
from core.seeds import derive
from environments.benchmark import Benchmark, DemonstrationStep, StepInfo, Task, TextEnvironment
from executor.parser import ExecutorParser
from executor.prompt import HIDDEN_ACTIONS, ExecutorPrompt
from planner.parser import PlannerParser
from planner.prompt import PlannerPrompt
from serving.engine import BASE_VERSION
from trajectory.episode import Act, Decision, Episode, EpisodeKey, Generation, Plan
from trajectory.machine import Acting, Assignment, Finished, Planning, StepOutcome, begin


@dataclass(frozen=True, eq=False)
class Formats:
    """The prompts of planner and executor, and the parsers of their answers."""

    planner_prompt: PlannerPrompt
    planner_parser: PlannerParser
    executor_prompt: ExecutorPrompt
    executor_parser: ExecutorParser
    history: int
    """Largest number of earlier turns that either prompt shows."""

    @classmethod
    def of(
        cls,
        tokenizer: PreTrainedTokenizerBase,
        planner: ModelServerSettings,
        executor: ModelServerSettings,
    ) -> Formats:
        """The same formats as those of the two servers."""
        return cls(
            PlannerPrompt(
                tokenizer,
                planner.prompt_format,
                planner.history,
                planner.context_length,
                planner.max_new_tokens,
            ),
            PlannerParser(tokenizer),
            ExecutorPrompt(
                tokenizer,
                executor.prompt_format,
                executor.history,
                executor.context_length,
                executor.max_new_tokens,
            ),
            ExecutorParser(tokenizer),
            max(planner.history, executor.history),
        )


@dataclass(frozen=True, eq=False)
class Lesson:
    """An episode to learn from."""

    episode: Episode
    """Episode as it was played, with mistakes."""
    right_actions: tuple[str, ...]
    """Action that the teacher wanted at each turn; it differs from the one played only where that is a
    mistake."""


def lesson(
    benchmark: Benchmark,
    environment: TextEnvironment,
    task: Task,
    formats: Formats,
    teacher: str,
    mistakes: float = 0.0,
    seed: int = 0,
) -> Lesson:
    """Plays a task with a scripted player up to the end of the episode.

    Args:
        benchmark: Benchmark of the task.
        environment: Environment of that benchmark.
        task: The task to play.
        formats: Formats of prompts and answers.
        teacher: Name of the player; with mistakes it must be one that judges by what it sees.
        mistakes: Share of turns at which another action is played than the teacher's.
        seed: Seed of the mistakes; they also depend on the task.
    """
    player = benchmark.policy(teacher, seed=0)
    random = Random(derive(seed, "mistakes", task.id))
    observation, info = environment.reset(seed=0, options={"task": task.id})
    player.begin(observation, info)
    done: list[DemonstrationStep] = []
    right: list[str] = []
    seen: set[str] = set()
    ended = False
    while not ended:
        step = player.act(observation, info)
        right.append(step.action)
        # Mistakes show the states that an imperfect learner gets into, together with the action that is right
        # there; the teacher's own episodes never visit them.
        if random.random() < mistakes:
            step = DemonstrationStep(step.subgoal, _mistake(step.action, info, seen, random))
        done.append(step)
        seen.update(info["admissible_actions"])
        observation, _, terminated, truncated, info = environment.step(step.action)
        ended = terminated or truncated
    return Lesson(demonstrate(benchmark, environment, task, formats, done), tuple(right))


def _mistake(right: str, info: StepInfo, seen: set[str], random: Random) -> str:
    """A wrong action: half the time an admissible one, else one that was admissible at an earlier turn."""
    possible = [a for a in info["admissible_actions"] if a != right and a not in HIDDEN_ACTIONS]
    impossible = sorted(seen.difference(info["admissible_actions"]))
    choices = impossible if impossible and random.random() < 0.5 else possible
    return random.choice(choices) if choices else right


def demonstrate(
    benchmark: Benchmark,
    environment: TextEnvironment,
    task: Task,
    formats: Formats,
    steps: Sequence[DemonstrationStep] | None = None,
    on_turn: Callable[[tuple[str, ...]], None] | None = None,
) -> Episode:
    """The episode of `task` with these steps, as if the two models had answered that way.

    The planner's answer is SWITCH with the subgoal where the subgoal of the steps changes, and KEEP
    elsewhere. All answers are read back by the servers' parsers, so that only what they understand is taught.
    The log-probabilities are 0, as of a teacher who is certain.

    Args:
        benchmark: Benchmark of the task.
        environment: Environment of that benchmark.
        task: The task to play.
        formats: Formats of prompts and answers.
        steps: Steps to play; without them, those of the expert's demonstration.
        on_turn: Called at each turn with the admissible actions.

    Raises:
        ValueError: the steps do not reach the end of the episode.
    """
    observation, info = environment.reset(seed=0, options={"task": task.id})
    key = EpisodeKey("demonstration", task.id, 0, 0)
    assignment = Assignment(key, 0, 0, "", benchmark.name, str(task.type), formats.history)
    state: Planning | Finished = begin(assignment, info["goal"], observation)
    before = ""
    for step in benchmark.demonstration(task) if steps is None else steps:
        if not isinstance(state, Planning):
            break
        if on_turn:
            on_turn(info["admissible_actions"])
        acting = state.planned(_plan(state, step, before, formats))
        state, info = _step(acting, _act(acting, step, info, formats), environment)
        before = step.subgoal
    if isinstance(state, Planning):
        raise ValueError(f"the demonstration of task {task.id} stops before the end of the episode")
    return state.episode(seconds=0.0)


def _plan(state: Planning, step: DemonstrationStep, before: str, formats: Formats) -> Plan:
    context = state.context
    decision = Decision.KEEP if step.subgoal == before else Decision.SWITCH
    answer = formats.planner_parser.answer_ids(decision, step.subgoal, context.turn)
    read = formats.planner_parser.parse(answer, context.turn, context.goal, context.subgoal)
    return Plan(
        decision=read.decision,
        subgoal=read.subgoal,
        valid=read.valid,
        generation=_said(formats.planner_prompt.render(context), answer),
        decision_span=read.decision_span,
        subgoal_span=read.subgoal_span,
    )


def _act(acting: Acting, step: DemonstrationStep, info: StepInfo, formats: Formats) -> Act:
    answer = formats.executor_parser.answer_ids(step.action)
    read = formats.executor_parser.parse(answer)
    prompt = formats.executor_prompt.render(acting.context, info["admissible_actions"])
    return Act(read.action, read.valid, _said(prompt, answer), read.action_span)


def _step(acting: Acting, act: Act, environment: TextEnvironment) -> tuple[Planning | Finished, StepInfo]:
    stepping = acting.acted(act)
    observation, reward, terminated, truncated, info = environment.step(stepping.action)
    outcome = StepOutcome(
        observation=observation,
        reward=reward,
        terminated=terminated,
        truncated=truncated,
        won=info["won"],
        score=info["score"],
        seconds=0.0,
    )
    return stepping.stepped(outcome, 0.0), info


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
