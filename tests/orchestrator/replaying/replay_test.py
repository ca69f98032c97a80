"""Replays of episodes that the servers' engines have played, as stored and with one field changed."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hiper.v1 import episode_pb2 as pb
from rich.console import Console

from core.errors import ConfigurationError, HiperError, NotFoundError, PreconditionError
from core.exit_codes import FAILED, REFUSED
from core.role import Role
from environments.errors import DataNotFoundError, UnknownEnvironmentError
from orchestrator.replay import replay
from orchestrator.replaying.differences import Within
from orchestrator.replaying.replayer import Replayer
from orchestrator.replaying.settings import ReplaySettings, number_formats, saved_settings
from orchestrator.replaying.tally import Tally, described
from orchestrator.replaying.tolerance import Tolerance
from run_folder import saved_configuration
from run_folder.folder import RunFolder
from run_folder.store import EpisodeStore
from serving.model import resolve_model
from tests.end_to_end.tiny import tiny_model
from tests.orchestrator.replaying.played import EPISODES, RUN, VERSION, played_run
from tests.serving.models import random_adapter
from trajectory.episode import Episode
from trajectory.validation import EpisodeError
from trajectory.wire import episode_from_pb

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in float64, in which episodes that are played together do not change each other."""
    folder = tmp_path_factory.mktemp("played")
    return played_run(folder / "run", folder / "model")


@pytest.fixture
def run(played: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(played, tmp_path / "run"))


def change(root: Path, number: int, edit: Callable[[pb.Episode], None]) -> None:
    """Changes a stored episode."""
    with closing(sqlite3.connect(RunFolder(root).episodes)) as db, db:
        (row,) = db.execute("SELECT message FROM episodes WHERE number = ?", (number,))
        episode = pb.Episode.FromString(row[0])
        edit(episode)
        blob = episode.SerializeToString()
        db.execute("UPDATE episodes SET message = ? WHERE number = ?", (blob, number))


@pytest.fixture(scope="module")
def replayer(played: Path) -> Iterator[Replayer]:
    settings = ReplaySettings.model_validate(saved_settings(played))
    formats = number_formats(saved_settings(played))
    with closing(Replayer.of(settings, formats, RunFolder(played), RUN)) as made:
        yield made


def changed(root: Path, edit: Callable[[pb.Episode], None]) -> Episode:
    """Episode 1 with a change that the store does not have."""
    with closing(EpisodeStore.reading(RunFolder(root).episodes)) as store:
        message = store.message(1)
    edit(message)
    return episode_from_pb(message)


def lines(capture: Capture) -> list[str]:
    return capture.readouterr().out.splitlines()


def test_episodes_that_were_played_together_are_identical(played: Path, capsys: Capture) -> None:
    assert replay([str(played), "--all"]) == 0
    *_, summary = lines(capsys)
    assert summary.startswith(f"{EPISODES} episodes: {EPISODES} identical. ")


def test_one_episode_is_identical(played: Path, capsys: Capture) -> None:
    assert replay([str(played), "1"]) == 0
    (line,) = lines(capsys)
    assert line.startswith("episode 1: identical (4 turns, ")


def test_a_coarser_number_format_is_said_and_taken_into_account(played: Path, capsys: Capture) -> None:
    code = replay([str(played), "1", "--planner.dtype=float32", "--near-ties"])
    remark, result, *_ = lines(capsys)
    assert remark.startswith("planner: computed in float32, in which other requests in the batch ")
    assert code == 0 and result.startswith("episode 1: identical")


def _observation(episode: pb.Episode) -> None:
    episode.turns[2].observation += " A door opens."


def _prompt(episode: pb.Episode) -> None:
    episode.turns[1].plan.prompt_ids[5] += 1


def _logprob(episode: pb.Episode) -> None:
    episode.turns[1].act.logprobs[1] -= 0.001


def _temperature(episode: pb.Episode) -> None:
    episode.turns[0].act.temperature = 0.5


def _decision(episode: pb.Episode) -> None:
    first = episode.turns[0]
    first.decision_span.end = 1


def _action_valid(episode: pb.Episode) -> None:
    episode.turns[3].action_valid ^= True


def _reward(episode: pb.Episode) -> None:
    episode.turns[3].reward = 1.0


def _won(episode: pb.Episode) -> None:
    episode.won = True


def _final_observation(episode: pb.Episode) -> None:
    episode.final_observation = "The end."


def _final_prompt(episode: pb.Episode) -> None:
    episode.final_planner_prompt_ids.append(1)


def _goal(episode: pb.Episode) -> None:
    episode.goal = "sleep"


def _shorter(episode: pb.Episode) -> None:
    del episode.turns[3]


def _longer(episode: pb.Episode) -> None:
    added = episode.turns.add()
    added.CopyFrom(episode.turns[3])
    added.index = 4


def _length(episode: pb.Episode) -> None:
    act = episode.turns[0].act
    del act.token_ids[3:], act.logprobs[3:]
    episode.turns[0].action_span.end = 3


@pytest.mark.parametrize(
    ("edit", "first"),
    [
        (_observation, "turn 2, observation: "),
        (_prompt, "turn 1, planner.prompt_ids: "),
        (_logprob, "turn 1, executor.logprobs[1]: "),
        (_temperature, "turn 0, executor."),
        (_decision, "turn 0, decision_span: stored Span(begin=0, end=1), replayed Span(begin=0, end=0)"),
        (_action_valid, "turn 3, action_valid: "),
        (_reward, "turn 3, reward: stored 1.0, replayed 0.0"),
        (_won, "won: stored True, replayed False"),
        (_final_observation, "final_observation: stored 'The end.', replayed "),
        (_final_prompt, "final_planner_prompt_ids: stored token 1 at "),
        (_goal, "goal: stored 'sleep', replayed "),
        (_shorter, "turns: stored 3, replayed not over after the last of them"),
        (_longer, "turns: stored 5, replayed 4"),
        (_length, "turn 0, executor.token_ids: stored 3 tokens, replayed the answer does not end after 3"),
    ],
)
def test_the_first_difference_is_named(
    played: Path, replayer: Replayer, edit: Callable[[pb.Episode], None], first: str
) -> None:
    replayed = asyncio.run(replayer.replay(changed(played, edit)))
    heading, line, _ = described(replayed)
    assert heading.startswith("episode 1: differs (")
    assert line.startswith(f"  first: {first}")


def test_another_token_is_named_and_hides_nothing_after_it(played: Path, replayer: Replayer) -> None:
    def another_token(episode: pb.Episode) -> None:
        episode.turns[1].act.token_ids[0] ^= 1
        _reward(episode)

    replayed = asyncio.run(replayer.replay(changed(played, another_token)))
    _, first, counts = described(replayed)
    assert first.startswith("  first: turn 1, executor.token_ids[0]: stored ")
    assert "1 × reward" in counts and "near tie" not in counts


def test_an_inconsistent_episode_is_refused(played: Path, replayer: Replayer) -> None:
    def without_a_logprob(episode: pb.Episode) -> None:
        del episode.turns[1].plan.logprobs[0]

    with pytest.raises(EpisodeError, match="turn 1: plan: . logprobs for . token_ids"):
        asyncio.run(replayer.replay(changed(played, without_a_logprob)))


def test_near_ties_alone_are_told_apart(played: Path, replayer: Replayer) -> None:
    def another_token(episode: pb.Episode) -> None:
        episode.turns[0].act.token_ids[0] ^= 1

    lenient = replace(replayer, within=Within(Tolerance(1e3), Tolerance(1e3)))
    replayed = asyncio.run(lenient.replay(changed(played, another_token)))
    tokens = [each for each in replayed.differences if each.field.startswith("executor.token_ids")]
    assert tokens and all(each.near_tie for each in tokens)
    tie = replace(replayed, differences=tuple(tokens))
    assert tie.only_near_ties and not tie.identical
    heading, line = described(tie)
    assert heading.startswith("episode 1: identical except for near ties")
    assert line.startswith("  near tie at turn 0, executor.token_ids[0]: stored ")
    for passes, code in ((True, 0), (False, FAILED)):
        tally = Tally(Console(quiet=True), passes)
        tally.add(tie)
        assert tally.exit_code == code


def test_all_goes_through_every_episode_and_counts(run: Path, capsys: Capture) -> None:
    change(run, 0, _won)
    with closing(sqlite3.connect(RunFolder(run).episodes)) as db, db:
        db.execute("UPDATE episodes SET message = x'ff' WHERE number = 2")
    assert replay([str(run), "--all"]) == FAILED
    output = lines(capsys)
    assert "  first: won: stored True, replayed False" in output
    assert any(line.startswith("episode 2: cannot be replayed: episode 2 in ") for line in output)
    assert output[-1].startswith("3 episodes: 1 identical, 1 different, 1 cannot be replayed. ")


def test_an_adapter_that_is_missing_is_named(run: Path, capsys: Capture) -> None:
    missing = RunFolder(run).adapter(Role.EXECUTOR, VERSION)
    shutil.rmtree(missing)
    with pytest.raises(NotFoundError, match=f"executor's adapter of version {VERSION}.*{missing}"):
        replay([str(run), "1"])
    assert replay([str(run), "--all"]) == REFUSED
    assert lines(capsys)[-1].startswith(f"{EPISODES} episodes: 0 identical, {EPISODES} cannot be replayed")


def test_an_adapter_that_was_made_again_is_named(run: Path, tmp_path: Path) -> None:
    model = resolve_model(saved_configuration.read(run)["planner"]["model"])
    random_adapter(model, RunFolder(run).adapter(Role.PLANNER, VERSION), seed=5)
    with pytest.raises(NotFoundError, match="planner's adapter that answered .* is not kept"):
        replay([str(run), "1"])


def test_another_base_model_is_refused(run: Path, tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "other")
    (model / "config.json").write_text((model / "config.json").read_text().replace("4096", "4095"))
    with pytest.raises(PreconditionError, match="trained on another base model"):
        replay([str(run), "1", f"--model={model}"])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (["9"], NotFoundError, "no episode 9 in "),
        (["one"], ConfigurationError, "'one' is not an episode number"),
        ([], ConfigurationError, "either EPISODE or --all is needed"),
        (["1", "--all"], ConfigurationError, "either EPISODE or --all is needed"),
        (["1", "--environment.name=chess"], UnknownEnvironmentError, "unknown environment 'chess'"),
        (["1", "--environment.source=real", "--data=/nowhere"], DataNotFoundError, "/nowhere"),
        (["1", "--model=/nowhere/model"], NotFoundError, "no model at /nowhere/model"),
        (["1", "--environment.generator.games=1"], HiperError, "unknown task "),
    ],
)
def test_what_is_missing_is_named(
    played: Path, options: list[str], error: type[HiperError], message: str
) -> None:
    with pytest.raises(error, match=message):
        replay([str(played), *options])


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="is not the folder of a run: it has no configuration.toml"):
        replay([str(tmp_path), "1"])
