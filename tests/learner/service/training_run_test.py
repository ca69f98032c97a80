"""The life of a run: gathering, updating, publishing, and resuming after a crash at any point."""

from __future__ import annotations

import asyncio
import re
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hiper.v1 import episode_pb2 as pb

from core import exit_codes
from core.errors import DivergedError, HiperError
from core.progress import Progress
from core.role import Role
from learner.service.run_parts import Update
from learner.service.training_run import TrainingRun
from run_folder.folder import RunFolder
from run_folder.metrics import Metrics, MetricsFile
from run_folder.store import EpisodeStore
from serving.adapters.folder import WEIGHTS_FILE
from tests.learner.service.episodes import episode
from tests.learner.service.runs import WARM, CountingTrainer, Shelf, open_run, play, played, played_episode
from tests.small_disk import files_of_at_most
from trajectory.episode import Episode
from trajectory.learner_status import Phase
from trajectory.lease import Finished, Lease, Wait


def lines(root: Path) -> list[Metrics]:
    return MetricsFile(RunFolder(root).metrics).lines()


def test_a_run_gathers_updates_publishes_and_finishes(tmp_path: Path) -> None:
    trainer, shelf = CountingTrainer(), Shelf()
    run = open_run(tmp_path, trainer, shelf)
    assert isinstance(run.admission.lease(""), Wait)
    played(run)
    status = run.status.now
    assert (status.phase, status.message) == (Phase.FINISHED, "2 of 2 updates made")
    assert (status.version, status.updates_done, status.episodes_trained) == (2, 2, 4)
    assert (status.episodes_stored, status.leases_open) == (4, 0)
    assert trainer.seen == [0, 1, 2, 3]
    assert trainer.begun_with == WARM
    assert trainer.reference == RunFolder(tmp_path).pair(0)
    assert [version for _, version in shelf.published] == [0, 0, 1, 1, 2, 2]
    assert {role for role, _ in shelf.published} == set(Role)
    assert [line["adapter/version"] for line in lines(tmp_path)] == [1, 2]
    assert lines(tmp_path)[0]["episode/success_rate"] == 1.0 and lines(tmp_path)[0]["actor/loss"] == 0.5
    assert status.metrics == lines(tmp_path)[-1]
    assert len(EpisodeStore(RunFolder(tmp_path).episodes).advantages(3)) == 3


def test_a_run_that_was_killed_before_its_checkpoint_makes_the_update_again_and_counts_it_once(
    tmp_path: Path,
) -> None:
    run = played(open_run(tmp_path, CountingTrainer(crash_before_checkpoint=2)))
    assert run.status.now.phase is Phase.FAILED and "killed" in run.status.now.message
    assert len(lines(tmp_path)) == 2

    again = played(open_run(tmp_path, trainer := CountingTrainer()))
    assert again.status.now.phase is Phase.FINISHED
    assert trainer.seen == [0, 1, 2, 3]
    assert [line["adapter/version"] for line in lines(tmp_path)] == [1, 2]


def test_a_resumed_run_publishes_what_it_has_and_takes_no_warm_start(tmp_path: Path) -> None:
    played(open_run(tmp_path))
    run = played(open_run(tmp_path, trainer := CountingTrainer(), shelf := Shelf()))
    assert trainer.begun_with is None
    assert [version for _, version in shelf.published] == [2, 2]
    assert run.status.now.metrics == lines(tmp_path)[-1]


def test_a_resumed_run_reminds_its_critic_of_the_last_batches(tmp_path: Path) -> None:
    def remembered(memory: int) -> list[tuple[int, list[int]]]:
        trainer = CountingTrainer()
        trainer.memory = memory
        played(open_run(tmp_path, trainer))
        return trainer.remembered

    assert remembered(3) == [], "a new run has no earlier batch"
    assert remembered(3) == [(0, [0, 1]), (1, [2, 3])]
    assert remembered(1) == [(1, [2, 3])]


def test_places_whose_environment_broke_are_left_out_of_their_updates(tmp_path: Path) -> None:
    run = played(open_run(tmp_path, trainer := CountingTrainer()), broken=[0, 3])
    status = run.status.now
    assert (status.phase, status.episodes_stored, status.episodes_trained) == (Phase.FINISHED, 2, 2)
    assert trainer.seen == [1, 2]
    assert [line["episode/set_aside"] for line in lines(tmp_path)] == [1, 1]
    store = EpisodeStore.reading(RunFolder(tmp_path).episodes)
    assert store.those_set_aside() == {0: "task 0, turn 1: a bug", 3: "task 3, turn 1: a bug"}
    again = played(open_run(tmp_path, trainer := CountingTrainer()))
    assert again.status.now.phase is Phase.FINISHED and trainer.seen == [1, 2], "nothing is left to play"


def test_a_batch_with_too_many_broken_episodes_ends_the_run_and_a_mended_environment_resumes_it(
    tmp_path: Path,
) -> None:
    run = open_run(tmp_path)
    failure = asyncio.run(_failed(run, broken=[2, 3]))
    assert exit_codes.of_error(failure) == exit_codes.REFUSED
    status = run.status.now
    assert (status.phase, status.version, status.episodes_trained) == (Phase.FAILED, 1, 2)
    assert status.message == (
        "the environment broke its contract in 2 of the 2 episodes of update 2, and at most 1 may be set "
        "aside: task 2, turn 1: a bug; task 3, turn 1: a bug"
    )
    again = played(open_run(tmp_path, trainer := CountingTrainer()))
    assert (again.status.now.phase, again.status.now.episodes_trained) == (Phase.FINISHED, 4)
    assert trainer.seen == [0, 1, 2, 3]
    assert EpisodeStore.reading(RunFolder(tmp_path).episodes).those_set_aside() == {}


async def _failed(run: TrainingRun, broken: Sequence[int]) -> HiperError:
    failure, _ = await asyncio.gather(run.loop.run(), play(run, broken))
    assert failure is not None
    return failure


def test_stopping_ends_leases_and_keeps_what_was_stored(tmp_path: Path) -> None:
    run = open_run(tmp_path)

    async def stopped() -> None:
        training = asyncio.create_task(run.loop.run())
        while not isinstance(lease := run.admission.lease("run"), Lease):
            await asyncio.sleep(0)
        await run.admission.submit(played_episode(run, lease))
        run.admission.stop()
        await training

    asyncio.run(stopped())
    assert isinstance(run.admission.lease("run"), Finished)
    assert run.status.now.phase is Phase.FINISHED and "0 of 2 updates" in run.status.now.message
    assert run.status.now.episodes_stored == 1


def test_a_run_that_diverges_fails_and_names_what_to_resume_from(tmp_path: Path) -> None:
    class Diverging(CountingTrainer):
        def update(self, episodes: Sequence[Episode], progress: Progress) -> Update:
            if self.version == 1:
                raise DivergedError("the planner's loss was not finite in 3 steps in a row")
            made = super().update(episodes, progress)
            return replace(made, metrics={"actor/planner/skipped_steps": 2.0})

    status = played(open_run(tmp_path, Diverging())).status.now
    assert status.phase is Phase.FAILED
    whole_one, good = (tmp_path / "checkpoints" / version for version in ("1", "0"))
    assert status.message.startswith("the planner's loss was not finite in 3 steps in a row. ")
    assert f"Version 1 is the last whole one: {whole_one}" in status.message
    assert f"since version 0; without the checkpoints after {good}, --resume" in status.message
    assert lines(tmp_path)[-1]["adapter/version"] == 1
    assert whole_one.is_dir()


def test_a_run_without_a_whole_checkpoint_is_not_begun_anew(tmp_path: Path) -> None:
    played(open_run(tmp_path))
    for state in (tmp_path / "checkpoints").glob("*/state"):
        state.unlink()
    run = open_run(tmp_path)
    asyncio.run(run.loop.run())
    assert run.status.now.phase is Phase.FAILED
    assert run.status.now.message == f"no checkpoint in {tmp_path / 'checkpoints'} is whole"
    assert len(lines(tmp_path)) == 2


def spoil(message: pb.Episode, fault: str) -> bytes:
    """An episode as an earlier version may have stored it, or as a damaged disk gives it back."""
    if fault == "token":
        message.turns[1].plan.prompt_ids[2] = 1000
    elif fault == "reward":
        message.turns[2].reward = 3e38
    elif fault == "final prompts":
        message.terminated, message.truncated = False, True
    return b"\xff" if fault == "bytes" else message.SerializeToString()


def stored_before(root: Path, faults: dict[int, str]) -> None:
    """A store whose first episodes have these faults, and which has no table of those set aside."""
    path = RunFolder(root).episodes
    store = EpisodeStore(path, "run")
    for number in faults:
        store.add(episode(number))
    store.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE set_aside")
        for number, fault in faults.items():
            db.execute(
                "UPDATE episodes SET message = ? WHERE number = ?", (spoil(episode(number), fault), number)
            )
        db.commit()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("token", r"turn 1: plan: prompt_ids\[2\]: the base model has no token 1000"),
        ("reward", "turn 2: reward: 3e\\+38 is not accepted"),
        ("final prompts", "estimator.bootstrap = final needs the prompts at the final observation"),
        ("bytes", "episode 1 in .* cannot be decoded"),
    ],
)
def test_an_episode_that_cannot_be_trained_on_is_set_aside_and_the_others_are_used(
    tmp_path: Path, fault: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    stored_before(tmp_path, {0: "none", 1: fault})
    assert EpisodeStore.reading(RunFolder(tmp_path).episodes).those_set_aside() == {}
    run = played(open_run(tmp_path, trainer := CountingTrainer(), final_prompts=True))
    assert run.status.now.phase is Phase.FINISHED, run.status.now.message
    assert trainer.seen == [0, 2, 3]
    assert run.status.now.episodes_trained == 3
    first, second = lines(tmp_path)
    assert (first["episode/set_aside"], first["episode/count"]) == (1, 1)
    assert (second["episode/set_aside"], second["episode/count"]) == (0, 2)
    store = EpisodeStore.reading(RunFolder(tmp_path).episodes)
    ((number, noted),) = store.those_set_aside().items()
    assert number == 1 and re.search(reason, noted)
    assert store.advantages(0) and not store.advantages(1)
    assert any("episode 1 is set aside" in line and re.search(reason, line) for line in caplog.messages)

    again = played(open_run(tmp_path, resumed := CountingTrainer(), final_prompts=True))
    assert again.status.now.phase is Phase.FINISHED
    assert (again.status.now.episodes_trained, resumed.seen) == (3, [0, 2, 3])


class Differing(CountingTrainer):
    """Makes the versions after 0 with other weights than a `CountingTrainer` does."""

    def save_adapter(self, role: Role, folder: Path) -> None:
        super().save_adapter(role, folder)
        if self.version:
            (folder / WEIGHTS_FILE).write_text("other weights")


def change_answers(root: Path, numbers: Sequence[int], change: Callable[[pb.Generation], object]) -> None:
    """Changes what the store says of the adapters that answered in these episodes."""
    path = RunFolder(root).episodes
    with closing(EpisodeStore(path)) as store:
        messages = {number: store.message(number) for number in numbers}
    with closing(sqlite3.connect(path)) as db:
        for number, message in messages.items():
            for turn in message.turns:
                change(turn.plan)
                change(turn.act)
            row = (message.SerializeToString(), number)
            db.execute("UPDATE episodes SET message = ? WHERE number = ?", row)
        db.commit()


def back_to(root: Path, version: int) -> None:
    """Removes the checkpoints after this version, as if they were damaged."""
    for newer in [found for found in RunFolder(root).checkpoint_versions() if found > version]:
        shutil.rmtree(RunFolder(root).checkpoint(newer))


@pytest.mark.parametrize(
    ("hashes", "trainer", "set_aside"),
    [
        (True, CountingTrainer(), None),
        (True, Differing(), r"turn 0: plan: adapter_sha256: version 1 of the planner has another hash"),
        # An earlier release has stored no hashes.
        (False, CountingTrainer(), r"turn 0: plan: adapter_version: 1 was given up when version 0 was"),
    ],
)
def test_episodes_of_versions_that_were_given_up_are_set_aside_unless_they_are_made_again_as_they_were(
    tmp_path: Path, hashes: bool, trainer: CountingTrainer, set_aside: str | None
) -> None:
    played(open_run(tmp_path))
    if not hashes:
        change_answers(tmp_path, range(4), lambda said: said.ClearField("adapter_sha256"))
    back_to(tmp_path, 0)
    run = played(open_run(tmp_path, trainer))
    assert run.status.now.phase is Phase.FINISHED, run.status.now.message
    assert trainer.seen == ([0, 1] if set_aside else [0, 1, 2, 3])
    noted = EpisodeStore.reading(RunFolder(tmp_path).episodes).those_set_aside()
    assert list(noted) == ([2, 3] if set_aside else [])
    assert all(re.search(set_aside or "", reason) for reason in noted.values())
    assert [line["episode/set_aside"] for line in lines(tmp_path)] == [0, len(noted)]


def test_an_episode_that_the_base_model_has_answered_is_set_aside(tmp_path: Path) -> None:
    played(open_run(tmp_path, CountingTrainer(crash_before_checkpoint=1)))

    def by_the_base_model(said: pb.Generation) -> None:
        said.adapter_version = -1
        said.ClearField("adapter_sha256")

    change_answers(tmp_path, [1], by_the_base_model)
    played(open_run(tmp_path, trainer := CountingTrainer()))
    assert trainer.seen == [0, 2, 3]


def test_a_batch_with_nothing_to_train_on_makes_a_version_that_equals_the_one_before(tmp_path: Path) -> None:
    stored_before(tmp_path, {0: "token", 1: "reward"})
    crashed = played(open_run(tmp_path, CountingTrainer(crash_before_checkpoint=1)))
    assert crashed.status.now.phase is Phase.FAILED
    run = played(open_run(tmp_path, trainer := CountingTrainer(), shelf := Shelf()))
    assert run.status.now.phase is Phase.FINISHED
    assert trainer.seen == [2, 3]
    assert [version for _, version in shelf.published] == [0, 0, 1, 1, 2, 2]
    first, second = lines(tmp_path)
    assert (first["adapter/version"], first["episode/count"], first["episode/set_aside"]) == (1, 0, 2)
    assert "episode/success_rate" not in first and second["episode/count"] == 2
    pairs = [RunFolder(tmp_path).pair(version).hashes() for version in range(3)]
    assert pairs[0] == pairs[1] != pairs[2]


@pytest.mark.parametrize("what", ["metrics.jsonl", "episodes.sqlite"])
def test_a_full_disk_ends_the_run_by_name_and_it_resumes_from_there(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, method = {
        "metrics.jsonl": (MetricsFile, "append"),
        "episodes.sqlite": (EpisodeStore, "set_advantages"),
    }[what]
    works = getattr(part, method)

    def full(*args: object) -> None:
        with files_of_at_most(60):
            works(*args)

    with monkeypatch.context() as patched:
        patched.setattr(part, method, full)
        run = played(open_run(tmp_path))
    assert run.status.now.phase is Phase.FAILED
    assert f"{tmp_path / what} cannot be written" in run.status.now.message
    assert (tmp_path / "metrics.jsonl").read_text() == ""

    again = played(open_run(tmp_path, trainer := CountingTrainer()))
    assert again.status.now.phase is Phase.FINISHED and trainer.seen == [0, 1, 2, 3]
