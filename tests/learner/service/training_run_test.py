"""The life of a run: gathering, updating, publishing, and going on after a crash at any point."""

import asyncio
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.errors import (
    CorruptDataError,
    DivergedError,
    InvalidInputError,
    PreconditionError,
    UnavailableError,
)
from core.role import Role
from learner.service.gate import Schedule
from learner.service.run_parts import Update
from learner.service.status import Phase
from learner.service.training_run import TrainingRun
from run_folder.files import MetricsFile, RunFiles
from run_folder.store import EpisodeStore, TurnAdvantages
from tests.learner.service.episodes import episode
from tests.small_disk import files_of_at_most
from trajectory.lease import Finished, Lease, Wait

SCHEDULE = Schedule(updates=2, episodes_per_update=2, group_size=1, max_lag=0, lease_seconds=60.0, seed=1)


class CountingTrainer:
    """Keeps what the run asks of a trainer on disk, without a model: its state is the list of episodes."""

    def __init__(self, crash_before_checkpoint: int | None = None) -> None:
        self.version = 0
        self.seen: list[int] = []
        self._crash = crash_before_checkpoint

    def load_adapters(self, planner, executor):
        self.begun_with = (planner, executor)

    def load_reference(self, planner, executor):
        self.held_to = (planner, executor)

    def update(self, episodes, progress):
        self.version += 1
        self.seen += [e.number for e in episodes]
        advantages = [[TurnAdvantages(1.0, 2.0, None)] * len(e.turns) for e in episodes]
        return Update({"actor/loss": 0.5}, advantages)

    def save_adapter(self, role, folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "weights").write_text(f"{role.value} {self.seen}")

    def save_checkpoint(self, folder, consumed):
        if self._crash == self.version:
            raise OSError("killed")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "state").write_text(" ".join(map(str, self.seen)))
        assert self.seen == list(consumed)

    def load_checkpoint(self, folder):
        if not (folder / "state").exists():
            raise CorruptDataError(f"{folder} is cut off")
        self.version = int(folder.name)
        self.seen = [int(word) for word in (folder / "state").read_text().split()]


class Shelf:
    """Takes what is published and remembers the order."""

    def __init__(self):
        self.published = []

    async def publish(self, role, version, folder):
        assert (folder / "weights").exists()
        self.published.append((role, version))


def warm_start(progress):
    progress(1.0, "warm")
    return SimpleNamespace(planner=Path("planner"), executor=Path("executor"))


def open_run(tmp_path, trainer=None, shelf=None):
    files = RunFiles(tmp_path)
    store = EpisodeStore(files.episodes, "run")
    trainer = trainer or CountingTrainer()
    return TrainingRun(
        files, SCHEDULE, store, lambda: trainer, warm_start, shelf or Shelf(), clock=lambda: 0.0
    )


async def play(run):
    """Plays whatever the run leases until it has finished or failed."""
    while True:
        try:
            outcome = run.lease("run")
        except UnavailableError:
            return
        if isinstance(outcome, Finished):
            return
        if isinstance(outcome, Lease):
            assert await run.submit(episode(outcome.number))
        await asyncio.sleep(0)


async def whole(run):
    await asyncio.gather(run.train(), play(run))


def test_a_run_gathers_updates_publishes_and_finishes(tmp_path):
    trainer, shelf = CountingTrainer(), Shelf()
    run = open_run(tmp_path, trainer, shelf)
    assert isinstance(run.lease(""), Wait)
    asyncio.run(whole(run))
    assert run.status.phase is Phase.FINISHED
    assert trainer.seen == [0, 1, 2, 3]
    assert trainer.begun_with == (Path("planner"), Path("executor"))
    assert trainer.held_to == tuple(tmp_path / "adapters" / role / "0" for role in ("planner", "executor"))
    assert [version for _, version in shelf.published] == [0, 0, 1, 1, 2, 2]
    assert {role for role, _ in shelf.published} == set(Role)
    lines = MetricsFile(RunFiles(tmp_path).metrics).lines()
    assert [line["adapter/version"] for line in lines] == [1, 2]
    assert lines[0]["episode/success_rate"] == 1.0 and lines[0]["actor/loss"] == 0.5
    assert len(run._store.advantages(3)) == 3


def test_a_run_that_was_killed_before_its_checkpoint_makes_the_update_again_and_counts_it_once(tmp_path):
    run = open_run(tmp_path, CountingTrainer(crash_before_checkpoint=2))
    asyncio.run(whole(run))
    assert run.status.phase is Phase.FAILED and "killed" in run.status.message
    assert len(MetricsFile(RunFiles(tmp_path).metrics).lines()) == 2

    trainer = CountingTrainer()
    again = open_run(tmp_path, trainer)
    asyncio.run(whole(again))
    assert again.status.phase is Phase.FINISHED
    assert trainer.seen == [0, 1, 2, 3]
    assert [m["adapter/version"] for m in MetricsFile(RunFiles(tmp_path).metrics).lines()] == [1, 2]


def test_a_checkpoint_that_is_cut_off_gives_way_to_the_one_before(tmp_path):
    asyncio.run(whole(open_run(tmp_path)))
    (tmp_path / "checkpoints" / "2" / "state").unlink()
    (tmp_path / "checkpoints" / "2").rmdir()
    (tmp_path / "checkpoints" / "2").mkdir()
    trainer = CountingTrainer()
    trainer.save_checkpoint = lambda folder, consumed: None
    asyncio.run(whole(open_run(tmp_path, trainer)))
    assert trainer.version == 2 and trainer.seen == [0, 1, 2, 3]


def test_the_newest_checkpoints_and_all_adapters_stay(tmp_path):
    run = open_run(tmp_path)
    run._keep_checkpoints = 2
    asyncio.run(whole(run))
    assert sorted(folder.name for folder in (tmp_path / "checkpoints").iterdir()) == ["1", "2"]
    assert sorted(folder.name for folder in (tmp_path / "adapters" / "planner").iterdir()) == ["0", "1", "2"]


def test_what_is_not_whole_does_not_push_out_what_is(tmp_path):
    asyncio.run(whole(open_run(tmp_path)))
    (tmp_path / "checkpoints" / "2" / "state").unlink()
    (tmp_path / "checkpoints" / "3").mkdir()
    run = open_run(tmp_path, trainer := CountingTrainer())
    run._keep_checkpoints = 1
    asyncio.run(whole(run))
    assert sorted(folder.name for folder in (tmp_path / "checkpoints").iterdir()) == ["2", "3"]
    assert (tmp_path / "checkpoints" / "2" / "state").read_text() == "0 1 2 3" and trainer.version == 2


def test_an_episode_is_refused_by_run_place_and_content_and_acknowledged_once(tmp_path):
    run = open_run(tmp_path)

    async def submissions():
        assert await run.submit(episode(0))
        assert not await run.submit(episode(0))
        with pytest.raises(PreconditionError, match="not other"):
            await run.submit(episode(1, run_id="other"))
        with pytest.raises(InvalidInputError, match="has 4 episodes"):
            await run.submit(episode(4))
        broken = episode(1)
        del broken.turns[1]
        with pytest.raises(InvalidInputError, match="episode 1: turn 1 is missing"):
            await run.submit(broken)

    asyncio.run(submissions())
    assert run.episodes_stored == 1
    with pytest.raises(PreconditionError, match="has run run, not other"):
        run.lease("other")


def test_stopping_ends_leases_and_keeps_what_was_stored(tmp_path):
    run = open_run(tmp_path)

    async def stopped():
        training = asyncio.create_task(run.train())
        while isinstance(run.lease("run"), Wait):
            await asyncio.sleep(0)
        await run.submit(episode(0))
        run.stop()
        await training

    asyncio.run(stopped())
    assert isinstance(run.lease("run"), Finished)
    assert run.status.phase is Phase.FINISHED and "0 of 2 updates" in run.status.message
    assert run.episodes_stored == 1


def test_a_metrics_file_with_a_cut_off_line_is_read_and_rewound(tmp_path):
    file = MetricsFile(tmp_path / "metrics.jsonl")
    for version in (1, 2, 3):
        file.append({"adapter/version": version})
    with (tmp_path / "metrics.jsonl").open("a") as handle:
        handle.write('{"adapter/version": 4, "actor')
    file.rewind(2)
    assert [line["adapter/version"] for line in file.lines()] == [1, 2]
    assert (tmp_path / "metrics.jsonl").read_text().count("\n") == 2


class Clock:
    """Stands still but where a part of the run takes its seconds."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def takes(self, seconds, call):
        def slow(*args):
            self.now += seconds
            return call(*args)

        return slow


class SlowShelf(Shelf):
    def __init__(self, clock):
        super().__init__()
        self._clock = clock

    async def publish(self, role, version, folder):
        self._clock.now += 16 / len(Role)
        await super().publish(role, version, folder)


def slow_run(tmp_path, clock):
    trainer = CountingTrainer()
    trainer.update = clock.takes(8, trainer.update)
    trainer.save_checkpoint = clock.takes(4, trainer.save_checkpoint)
    store = EpisodeStore(RunFiles(tmp_path).episodes, "run")
    run = TrainingRun(
        RunFiles(tmp_path), SCHEDULE, store, lambda: trainer, warm_start, SlowShelf(clock), clock
    )
    run._make_trainer = clock.takes(1, run._make_trainer)
    run._warm_start = clock.takes(2, run._warm_start)
    run.submit = clock.takes(32, run.submit)
    return run


def timings(line):
    return {name.removeprefix("timing_s/"): s for name, s in line.items() if name.startswith("timing_s/")}


def test_the_parts_of_each_line_add_up_to_its_step_and_the_steps_to_the_whole_run(tmp_path):
    clock = Clock()
    asyncio.run(whole(slow_run(tmp_path, clock)))
    lines = MetricsFile(tmp_path / "metrics.jsonl").lines()
    first, second = (timings({n: s for n, s in line.items() if "/turns/" not in n}) for line in lines)
    # Two episodes of 32 s a batch.
    assert first == {"start": 3, "checkpoint": 4, "push": 16, "gather": 64, "update": 8, "step": 95}
    assert second == {"checkpoint": 4, "push": 16, "gather": 64, "update": 8, "step": 92}
    (end,) = MetricsFile(RunFiles(tmp_path).ends).lines()
    assert end == {
        "adapter/version": 2,
        "timing_s/checkpoint": 4,
        "timing_s/push": 16,
        "timing_s/step": 20,
    }
    assert clock.now - 100 == sum(line["timing_s/step"] for line in (*lines, end))


def test_a_resumed_process_has_a_start_and_an_end_of_its_own(tmp_path):
    clock = Clock()
    run = slow_run(tmp_path, clock)
    run.stop()
    asyncio.run(run.train())
    asyncio.run(whole(slow_run(tmp_path, clock)))
    stopped, end = MetricsFile(RunFiles(tmp_path).ends).lines()
    assert timings(stopped) == {"start": 3, "checkpoint": 4, "push": 16, "gather": 0, "step": 23}
    assert stopped["adapter/version"] == 0 and end["adapter/version"] == 2
    first = MetricsFile(tmp_path / "metrics.jsonl").lines()[0]
    assert first["timing_s/start"] == 1 and "timing_s/checkpoint" not in first


def test_a_run_that_diverges_fails_and_names_what_to_go_on_from(tmp_path):
    trainer = CountingTrainer()
    counted = trainer.update

    def update(episodes, progress):
        if trainer.version == 1:
            raise DivergedError("the planner's loss was not finite in 3 steps in a row")
        made = counted(episodes, progress)
        return replace(made, metrics={"actor/planner/skipped_steps": 2.0})

    trainer.update = update
    run = open_run(tmp_path, trainer)
    asyncio.run(whole(run))
    assert run.status.phase is Phase.FAILED
    whole_one, good = (tmp_path / "checkpoints" / version for version in ("1", "0"))
    assert run.status.message.startswith("the planner's loss was not finite in 3 steps in a row. ")
    assert f"Version 1 is the last whole one: {whole_one}" in run.status.message
    assert f"since version 0; without the checkpoints after {good}, --resume" in run.status.message
    assert MetricsFile(tmp_path / "metrics.jsonl").lines()[-1]["adapter/version"] == 1
    assert whole_one.is_dir()


def test_a_run_without_a_whole_checkpoint_is_not_begun_anew(tmp_path):
    asyncio.run(whole(open_run(tmp_path)))
    for state in (tmp_path / "checkpoints").glob("*/state"):
        state.unlink()
    run = open_run(tmp_path)
    asyncio.run(run.train())
    assert run.status.phase is Phase.FAILED
    assert run.status.message == f"no checkpoint in {tmp_path / 'checkpoints'} is whole"
    assert len(MetricsFile(tmp_path / "metrics.jsonl").lines()) == 2


@pytest.mark.parametrize("what", ["metrics.jsonl", "episodes.sqlite"])
def test_a_full_disk_ends_the_run_by_name_and_it_goes_on_from_there(tmp_path, what):
    run = open_run(tmp_path)
    part, method = {
        "metrics.jsonl": (run._metrics_file, "append"),
        "episodes.sqlite": (run._store, "set_advantages"),
    }[what]
    works = getattr(part, method)

    def full(*args):
        with files_of_at_most(60):
            works(*args)

    setattr(part, method, full)
    asyncio.run(whole(run))
    assert run.status.phase is Phase.FAILED
    assert f"{tmp_path / what} cannot be written" in run.status.message
    assert (tmp_path / "metrics.jsonl").read_text() == ""

    again = open_run(tmp_path, trainer := CountingTrainer())
    asyncio.run(whole(again))
    assert again.status.phase is Phase.FINISHED and trainer.seen == [0, 1, 2, 3]
