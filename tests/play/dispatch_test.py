"""Concurrent episodes on generated ALFWorld games, played by experts behind the players' interface."""

import asyncio
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import pytest

from configuration.environment import EnvironmentSettings, GeneratorSettings
from core.errors import LapsedError, UnavailableError
from environments import registry
from environments.alfworld import AlfworldBenchmark
from environments.benchmark import Benchmark, DemonstrationStep
from learner.service.gate import LeaseGate, Schedule
from orchestrator.progress.report import Report
from orchestrator.progress.tally import Tally
from play.dispatch import Dispatcher
from play.players import OneOfEach, Players
from play.schedule import task_for
from tests.environments.breaking import RESET, BreakingBenchmark, guarded
from tests.play.answers import act, keep, switch
from tests.play.quiet import Quiet
from trajectory.episode import Act, AdmissibleAction, Decision, Episode, Plan, TurnContext
from trajectory.fence import Fence
from trajectory.lease import Finished, Lease, Wait


@pytest.fixture(scope="module")
def benchmark() -> AlfworldBenchmark:
    games = GeneratorSettings(games=6, horizon="short")
    loaded = registry.load(EnvironmentSettings(source="generated", step_limit=12, generator=games))
    assert isinstance(loaded, AlfworldBenchmark)
    return loaded


class Expert:
    """Planner and executor at once: both follow the demonstration of the context's goal.

    Each call yields to the other episodes a different number of times, so that they overtake one another.
    """

    def __init__(self, benchmark: AlfworldBenchmark) -> None:
        games = [
            (benchmark.game(task.id).goal_text, benchmark.demonstration(task))
            for task in benchmark.tasks("train")
        ]
        self._steps: dict[str, tuple[DemonstrationStep, ...]] = dict(games)
        self._pauses = iter(range(10**6))
        self.calls: list[tuple[str, int]] = []
        self.running = 0
        self.most_running = 0

    async def plan(self, context: TurnContext, seed: int, fence: Fence | None = None) -> Plan:
        await self._pause()
        subgoal = self._steps[context.goal][context.turn].subgoal
        return keep(subgoal) if subgoal == context.subgoal else switch(subgoal)

    async def act(
        self,
        context: TurnContext,
        actions: tuple[AdmissibleAction, ...],
        seed: int,
        fence: Fence | None = None,
    ) -> Act:
        await self._pause()
        self.calls.append((context.goal, seed))
        step = self._steps[context.goal][context.turn]
        assert step.action in [action.text for action in actions]
        assert step.subgoal == context.subgoal
        return act(step.action)

    async def prompt(
        self, context: TurnContext, actions: tuple[AdmissibleAction, ...] = ()
    ) -> tuple[int, ...]:
        return (context.turn, len(actions))

    async def _pause(self) -> None:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        for _ in range(next(self._pauses) % 5):
            await asyncio.sleep(0)
        self.running -= 1


class Learner:
    """The learner's own lease gate, without the wire; every update is made at once."""

    def __init__(self, schedule: Schedule) -> None:
        self._gate = LeaseGate("run", schedule, frozenset(), 0)
        self._schedule = schedule
        self.episodes: list[Episode] = []
        self.reasons: dict[int, str] = {}
        self.version = self.waits = 0
        self.task_seed = 0

    async def lease(self) -> Lease | Wait | Finished:
        answer = self._gate.grant(now=0.0)
        if isinstance(answer, Lease):
            self.task_seed = answer.task_seed
        if isinstance(answer, Wait):
            self.waits += 1
        return answer

    async def renew(self, leases: Sequence[Lease]) -> Collection[str]:
        return self._gate.renew([lease.lease_id for lease in leases], now=0.0)

    async def submit(self, episode: Episode) -> bool:
        self.episodes.append(episode)
        self._gate.complete(episode.number)
        self._update()
        return False

    async def set_aside(self, lease: Lease, reason: str) -> None:
        self.reasons[lease.number] = reason
        self._gate.set_aside(lease.number)
        self._update()

    def _update(self) -> None:
        if self._gate.batch_is_whole() and self.version < self._schedule.updates:
            self.version += 1
            self._gate.advance(self.version)


async def no_time(_: float) -> None:
    await asyncio.sleep(0)


def play(
    benchmark: Benchmark,
    learner: Learner,
    expert: Expert,
    concurrency: int,
    display: Quiet | None = None,
    **players: bool,
) -> Tally:
    tally = Tally(clock=iter(range(10**6)).__next__)
    report = Report(tally, display or Quiet())
    dispatcher = Dispatcher(
        episodes=learner,
        players=Players(
            models=OneOfEach(expert, expert),
            benchmark=benchmark,
            history=2,
            final_prompts=players.get("final_prompts", False),
            fenced=players.get("fenced", False),
            on_turn=report.turn,
        ),
        benchmark=benchmark,
        tasks=benchmark.tasks("train"),
        concurrency=concurrency,
        observer=report,
        sleep=no_time,
    )
    asyncio.run(dispatcher.run())
    return tally


def schedule(updates: int = 2, episodes: int = 6) -> Schedule:
    return Schedule(
        updates=updates, episodes_per_update=episodes, group_size=1, max_lag=0, lease_seconds=60, seed=0
    )


def test_every_place_of_the_run_is_played_once_and_won(benchmark: AlfworldBenchmark) -> None:
    learner, expert = Learner(schedule()), Expert(benchmark)
    tally = play(benchmark, learner, expert, concurrency=4)
    assert sorted(episode.number for episode in learner.episodes) == list(range(12))
    assert all(episode.won and episode.terminated for episode in learner.episodes)
    assert sorted(episode.key.task_id for episode in learner.episodes) == sorted(
        2 * [task.id for task in benchmark.tasks("train")]
    )
    assert expert.most_running > 1
    assert (tally.episodes, tally.wins) == (12, 12)
    assert tally.turns == sum(len(episode.turns) for episode in learner.episodes)


def test_episodes_finish_in_their_own_order_but_are_the_same_alone(benchmark: AlfworldBenchmark) -> None:
    together, alone = Learner(schedule(1)), Learner(schedule(1))
    experts = Expert(benchmark), Expert(benchmark)
    play(benchmark, together, experts[0], concurrency=6)
    play(benchmark, alone, experts[1], concurrency=1)
    assert [episode.number for episode in alone.episodes] == list(range(6))
    assert [episode.number for episode in together.episodes] != list(range(6))
    by_number = {episode.number: episode for episode in together.episodes}
    for episode in alone.episodes:
        same = by_number[episode.number]
        assert [turn.act for turn in same.turns] == [turn.act for turn in episode.turns]
        assert same.key == episode.key
    assert sorted(experts[0].calls) == sorted(experts[1].calls)


def test_every_call_has_a_seed_of_its_own(benchmark: AlfworldBenchmark) -> None:
    expert = Expert(benchmark)
    play(benchmark, Learner(schedule()), expert, concurrency=3)
    seeds = [seed for _, seed in expert.calls]
    assert len(set(seeds)) == len(seeds)


def test_segments_are_the_experts(benchmark: AlfworldBenchmark) -> None:
    learner = Learner(schedule(1))
    play(benchmark, learner, Expert(benchmark), concurrency=2)
    for episode in learner.episodes:
        steps = benchmark.demonstration(benchmark.task(episode.key.task_id))
        assert [turn.plan.subgoal for turn in episode.turns] == [step.subgoal for step in steps]
        changes = [t == 0 or steps[t].subgoal != steps[t - 1].subgoal for t in range(len(steps))]
        assert [turn.plan.decision is Decision.SWITCH for turn in episode.turns] == changes


def test_a_waiting_dispatcher_asks_again(benchmark: AlfworldBenchmark) -> None:
    learner = Learner(schedule(updates=3, episodes=1))
    play(benchmark, learner, Expert(benchmark), concurrency=3)
    assert learner.waits > 0
    assert [episode.number for episode in learner.episodes] == [0, 1, 2]


def test_a_model_that_fails_ends_the_dispatch_with_its_own_error(benchmark: AlfworldBenchmark) -> None:
    class Failing(Expert):
        async def act(
            self,
            context: TurnContext,
            actions: tuple[AdmissibleAction, ...],
            seed: int,
            fence: Fence | None = None,
        ) -> Act:
            raise UnavailableError("the executor at 127.0.0.1:1 is not there")

    learner = Learner(schedule())
    with pytest.raises(UnavailableError, match="executor at 127.0.0.1:1"):
        play(benchmark, learner, Failing(benchmark), concurrency=2)
    assert learner.episodes == []


@pytest.fixture(scope="module")
def impatient() -> Iterator[AlfworldBenchmark]:
    games = GeneratorSettings(games=6, horizon="short")
    loaded = registry.load(EnvironmentSettings(source="generated", step_limit=2, generator=games))
    assert isinstance(loaded, AlfworldBenchmark)
    yield loaded


def test_the_step_limit_truncates_and_final_prompts_are_asked_for(impatient: AlfworldBenchmark) -> None:
    learner = Learner(schedule(1))
    play(impatient, learner, Expert(impatient), concurrency=2, final_prompts=True)
    for episode in learner.episodes:
        assert episode.truncated and not episode.terminated
        assert len(episode.turns) == 2
        assert episode.final_planner_prompt_ids == (2, 0)
        assert episode.final_executor_prompt_ids[0] == 2
        assert episode.final_executor_prompt_ids[1] > 0


def test_timing_adds_up(benchmark: AlfworldBenchmark) -> None:
    learner = Learner(schedule(1, 1))
    play(benchmark, learner, Expert(benchmark), concurrency=1)
    (episode,) = learner.episodes
    assert 0 < sum(turn.seconds for turn in episode.turns) <= episode.seconds
    assert all(0 < turn.environment_seconds < turn.seconds for turn in episode.turns)


def test_the_lease_decides_the_task(benchmark: AlfworldBenchmark) -> None:
    learner = Learner(schedule(1))
    play(benchmark, learner, Expert(benchmark), concurrency=2)
    tasks, seed = benchmark.tasks("train"), learner.task_seed
    assert all(episode.key.task_id == task_for(tasks, seed, episode.group).id for episode in learner.episodes)


def test_an_episode_whose_lease_lapses_is_given_up_and_its_worker_plays_another(
    benchmark: AlfworldBenchmark,
) -> None:
    class Forgetful(Learner):
        """Forgets the leases that it gave before the first renewal, as a learner that was started again."""

        forgotten: frozenset[str] | None = None

        async def renew(self, leases: Sequence[Lease]) -> Collection[str]:
            if self.forgotten is None:
                self.forgotten = frozenset(lease.lease_id for lease in leases)
                for lease in leases:
                    self._gate.free(lease.number)
                return self.forgotten
            return await super().renew(leases)

    learner = Forgetful(schedule(1))
    play(benchmark, learner, Expert(benchmark), concurrency=3)
    assert learner.forgotten
    assert sorted(episode.number for episode in learner.episodes) == list(range(6))
    assert not learner.forgotten & {episode.lease_id for episode in learner.episodes}


def test_a_submission_that_comes_too_late_is_given_up(benchmark: AlfworldBenchmark) -> None:
    class Refusing(Learner):
        refused = 0

        async def submit(self, episode: Episode) -> bool:
            if not self.refused:
                self.refused += 1
                self._gate.free(episode.number)
                raise LapsedError(f"lease {episode.lease_id} is not open")
            return await super().submit(episode)

    learner = Refusing(schedule(1))
    tally = play(benchmark, learner, Expert(benchmark), concurrency=2)
    assert sorted(episode.number for episode in learner.episodes) == list(range(6))
    assert tally.episodes == 6


def test_an_episode_is_answered_by_its_leases_version_or_what_answered_before(
    benchmark: AlfworldBenchmark,
) -> None:
    class Fenced(Expert):
        """Answers the first turn with version 2, and the others with version 1."""

        def __init__(self, benchmark: AlfworldBenchmark) -> None:
            super().__init__(benchmark)
            self.fences: list[tuple[str, int, Fence | None]] = []

        async def plan(self, context: TurnContext, seed: int, fence: Fence | None = None) -> Plan:
            self.fences.append(("plan", context.turn, fence))
            plan = await super().plan(context, seed)
            said = replace(plan.generation, adapter_version=2 if context.turn == 0 else 1)
            return replace(plan, generation=said)

        async def act(
            self,
            context: TurnContext,
            actions: tuple[AdmissibleAction, ...],
            seed: int,
            fence: Fence | None = None,
        ) -> Act:
            self.fences.append(("act", context.turn, fence))
            return await super().act(context, actions, seed)

    expert = Fenced(benchmark)
    play(benchmark, Learner(schedule(1, 1)), expert, concurrency=1, fenced=True)
    lease, answered = Fence("run", 0, 0), Fence("run", 0, 2)
    assert expert.fences[:4] == [
        ("plan", 0, lease),
        ("act", 0, lease),
        ("plan", 1, answered),
        ("act", 1, lease),
    ]
    expert = Fenced(benchmark)
    play(benchmark, Learner(schedule(1, 1)), expert, concurrency=1)
    assert {fence for _, _, fence in expert.fences} == {None}


@pytest.mark.parametrize(
    ("fault", "turn", "message"),
    [
        ("raises", 1, r"turn 1: raised KeyError: 'a bug' \(breaking.py, line \d+\)"),
        ("raises", RESET, r"reset: raised KeyError: 'a bug' \(breaking.py, line \d+\)"),
        ("no goal", RESET, "reset: info has no goal"),
        ("bytes", 0, "turn 0: the observation is a bytes, not text"),
        ("surrogate", 1, "turn 1: the observation has a lone surrogate at position 0, which is not text"),
        ("nan", 1, "turn 1: the reward is nan, not a finite number"),
        ("over", 1, "turn 1: the episode is over: call reset before the next step"),
    ],
)
def test_an_episode_whose_environment_breaks_is_set_aside_and_the_others_are_played(
    benchmark: AlfworldBenchmark, fault: str, turn: int, message: str
) -> None:
    task = benchmark.tasks("train")[2]
    broken = BreakingBenchmark(benchmark, {(task.id, turn): fault})
    learner, display = Learner(schedule()), Quiet()
    tally = play(guarded(broken), learner, Expert(benchmark), concurrency=1, display=display)
    (first, second) = learner.reasons.values()
    assert first == second, "the task comes once in each of the two passes"
    assert re.fullmatch(f"environment breaking, task {task.id}, {message}", first)
    assert display.said == [f"set aside: {first}"] * 2
    played = sorted(episode.number for episode in learner.episodes)
    assert sorted([*played, *learner.reasons]) == list(range(12))
    assert all(episode.won for episode in learner.episodes)
    assert (tally.episodes, broken.made) == (10, 3), "a new environment follows a broken one"


def test_an_environment_of_ours_that_fails_is_told_with_task_and_turn(benchmark: AlfworldBenchmark) -> None:
    task = benchmark.tasks("train")[0]
    unguarded = BreakingBenchmark(benchmark, {(task.id, 0): "raises"})
    learner = Learner(schedule(1))
    play(unguarded, learner, Expert(benchmark), concurrency=3)
    ((_, reason),) = learner.reasons.items()
    assert f"task {task.id}, turn 0: raised KeyError" in reason


def test_a_broken_episode_whose_lease_has_lapsed_is_left_to_others(benchmark: AlfworldBenchmark) -> None:
    class Forgetful(Learner):
        forgotten = 0

        async def set_aside(self, lease: Lease, reason: str) -> None:
            if not self.forgotten:
                self.forgotten += 1
                self._gate.free(lease.number)
                raise LapsedError(f"lease {lease.lease_id} is not open")
            await super().set_aside(lease, reason)

    broken = BreakingBenchmark(benchmark, {(benchmark.tasks("train")[1].id, 0): "nan"})
    learner = Forgetful(schedule(1))
    play(guarded(broken), learner, Expert(benchmark), concurrency=2)
    assert (len(learner.episodes), len(learner.reasons), learner.forgotten) == (5, 1, 1)
