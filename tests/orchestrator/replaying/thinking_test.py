"""Replays of runs whose models think before they answer: each answer was sampled in two parts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hiper.v1 import episode_pb2 as pb

from orchestrator.replay import replay
from orchestrator.replaying.replayer import Replayed, Replayer
from orchestrator.replaying.settings import ReplaySettings, number_formats, saved_settings
from orchestrator.replaying.tally import described
from run_folder.folder import RunFolder
from run_folder.store import EpisodeStore
from serving.model import load_tokenizer
from serving.text.chat import Chat
from tests.orchestrator.replaying.played import EPISODES, RUN, played_run
from trajectory.wire import episode_from_pb

THINK = 48
"""Longest thought: long enough that the tiny model, which writes bytes at random, ends about half of them."""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("played")
    return played_run(folder / "run", folder / "model", think=THINK)


@pytest.fixture(scope="module")
def line_ends(played: Path) -> frozenset[int]:
    """The tokens that end a thought."""
    return Chat(load_tokenizer(played.parent / "model")).line_end_ids


@pytest.fixture(scope="module")
def replayer(played: Path) -> Iterator[Replayer]:
    saved = saved_settings(played)
    settings = ReplaySettings.model_validate(saved)
    with closing(Replayer.of(settings, number_formats(saved), RunFolder(played), RUN)) as made:
        yield made


Edit = Callable[[pb.Episode], None]


def changed(replayer: Replayer, root: Path, number: int, edit: Edit = lambda episode: None) -> Replayed:
    """The replay of an episode with a change that the store does not have."""
    with closing(EpisodeStore.reading(RunFolder(root).episodes)) as store:
        message = store.message(number)
    edit(message)
    return asyncio.run(replayer.replay(episode_from_pb(message)))


@pytest.fixture(scope="module")
def answered(played: Path, line_ends: frozenset[int]) -> tuple[int, int, int]:
    """An executor's answer after a thought that ends: episode, turn, and number of tokens of the thought."""
    with closing(EpisodeStore.reading(RunFolder(played).episodes)) as store:
        for number in sorted(store.numbers()):
            for turn in store.message(number).turns:
                ids = list(turn.act.token_ids)
                ends = [place for place, token in enumerate(ids, start=1) if token in line_ends]
                # Of a thought that ends the turn, there is no answer.
                if ends and 2 < ends[0] < len(ids):
                    return number, turn.index, ends[0]
    raise AssertionError("no thought has ended")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_episodes_with_thoughts_are_identical(
    dtype: str, played: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = played if dtype == "float64" else played_run(tmp_path / "run", tmp_path / "model", dtype, THINK)
    assert replay([str(root), "--all", "--near-ties"]) == 0
    assert f"{EPISODES} episodes: {EPISODES} identical" in capsys.readouterr().out.splitlines()[-1]


def test_thoughts_with_and_without_an_answer_are_computed_again(
    played: Path, replayer: Replayer, answered: tuple[int, int, int]
) -> None:
    # `answered` is one with an answer; here is one without.
    with closing(EpisodeStore.reading(RunFolder(played).episodes)) as store:
        episodes = store.load(sorted(store.numbers()))
    answers = [each.generation for one in episodes for turn in one.turns for each in (turn.plan, turn.act)]
    assert any(len(answer.token_ids) == THINK and answer.length_limited for answer in answers)
    replayed = [asyncio.run(replayer.replay(one)) for one in episodes]
    assert sum(each.sampled for each in replayed) == sum(len(answer.token_ids) for answer in answers)


def test_an_altered_token_of_a_thought_is_named(
    played: Path, replayer: Replayer, answered: tuple[int, int, int]
) -> None:
    number, turn, _ = answered

    def another_token(episode: pb.Episode) -> None:
        episode.turns[turn].act.token_ids[1] ^= 1

    _, first, _ = described(changed(replayer, played, number, another_token))
    assert first.startswith(f"  first: turn {turn}, executor.token_ids[1] (thought): stored ")


def test_an_altered_token_of_an_answer_after_a_thought_is_named(
    played: Path, replayer: Replayer, answered: tuple[int, int, int]
) -> None:
    number, turn, thought = answered

    def another_token(episode: pb.Episode) -> None:
        episode.turns[turn].act.token_ids[thought] ^= 1

    _, first, _ = described(changed(replayer, played, number, another_token))
    assert first.startswith(f"  first: turn {turn}, executor.token_ids[{thought}]: stored ")


def test_a_thought_that_ends_elsewhere_is_named(
    played: Path, replayer: Replayer, answered: tuple[int, int, int], line_ends: frozenset[int]
) -> None:
    number, turn, thought = answered

    def longer(episode: pb.Episode) -> None:
        act = episode.turns[turn].act
        for place, token in enumerate(act.token_ids):
            act.token_ids[place] = 65 if token in line_ends else token

    def shorter(episode: pb.Episode) -> None:
        episode.turns[turn].act.token_ids[1] = min(line_ends)

    for edit, place in ((longer, thought - 1), (shorter, 1)):
        replayed = changed(replayer, played, number, edit)
        _, first, _ = described(replayed)
        assert first.startswith(f"  first: turn {turn}, executor.token_ids[{place}] (thought): stored ")
        assert {each.turn for each in replayed.differences} == {turn}


def test_another_length_of_thoughts_than_the_run_s_shows_in_the_prompts(
    played: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for think in (0, 7):
        assert replay([str(played), "0", f"--executor.think={think}"]) == 1
        assert "  first: turn 0, executor.prompt_ids: " in capsys.readouterr().out
