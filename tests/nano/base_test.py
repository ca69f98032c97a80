"""Making a base model: training, the folder, and playing with it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import torch

from configuration.errors import ConfigurationError
from learner.nano.base import BaseSettings, nano_base
from learner.nano.corpus import lessons
from learner.nano.evaluation import System, play
from learner.nano.player import ErringBenchmark, Errors
from learner.nano.settings import NanoSettings
from learner.nano.training import Teacher, new_model, token_losses
from learner.nano_base import PRESET, run
from learner.packing import TokenSequence, pack
from serving.model import resolve_model
from tests.nano.worlds import SERVER, benchmark, environment_settings, formats, tokenizer

TINY = NanoSettings(
    hidden_size=16,
    intermediate_size=32,
    layers=1,
    heads=2,
    games=4,
    skilled_steps=2,
    erring_steps=1,
    batch_episodes=1,
    vocabulary=400,
)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BaseSettings:
    monkeypatch.setenv("HIPER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("learner.nano.base._WORDS_FROM_GAMES", 6)
    return BaseSettings(TINY, environment_settings(), SERVER, SERVER, seed=5)


def test_token_losses_are_those_of_the_sequence_alone() -> None:
    words = tokenizer(6)
    model = new_model(TINY, words, seed=0)
    first, second = TokenSequence((3, 4, 5), (6, 7)), TokenSequence((3, 4, 8), (9,))
    (one,) = pack([second, first], 64, torch.device("cpu"))
    losses = token_losses(model, one).tolist()
    model.config._attn_implementation = "eager"
    expected = []
    for member in one.members:
        sequence = [second, first][member]
        ids = torch.tensor([sequence.prompt_ids + sequence.response_ids])
        logprobs = model(input_ids=ids).logits[0].log_softmax(-1)
        begin = len(sequence.prompt_ids)
        expected += [-float(logprobs[i - 1, ids[0, i]].detach()) for i in range(begin, ids.shape[1])]
    assert losses == pytest.approx(expected, abs=1e-5)


def test_what_is_taught_is_learnt() -> None:
    words = tokenizer(6)
    player = ErringBenchmark(benchmark(6), Errors(), seed=0)
    shown = lessons(player, player.tasks("train")[:1], formats(words))
    course = TINY.model_copy(update={"skilled_steps": 40, "erring_steps": 0, "learning_rate": 0.1})
    seen: list[float] = []
    Teacher(new_model(course, words, seed=0), course, seed=0).teach(
        shown, 40, lambda _, loss: seen.append(loss)
    )
    assert seen[0] > 5.5
    assert seen[-1] < 0.5 * seen[0]


def test_a_base_is_made_once_and_the_same_from_the_same_seed(settings: BaseSettings, tmp_path: Path) -> None:
    messages: list[str] = []
    assert not nano_base(settings, tmp_path / "one", lambda _, text: messages.append(text))
    assert any("erring player: step 3 of 3" in text for text in messages)
    assert nano_base(settings, tmp_path / "two", lambda _, __: None)
    assert {path.name for path in (tmp_path / "one").iterdir()} >= {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    }
    first = resolve_model(str(tmp_path / "one"))
    assert resolve_model(str(tmp_path / "two")).fingerprint == first.fingerprint
    (tmp_path / "cache").rename(tmp_path / "elsewhere")
    assert not nano_base(settings, tmp_path / "three", lambda _, __: None)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "three")]
    assert weights[0] == weights[1]


def test_planner_and_executor_play_with_it(settings: BaseSettings, tmp_path: Path) -> None:
    nano_base(settings, tmp_path / "model", lambda _, __: None)
    games = benchmark(6)
    tasks = games.tasks("valid_unseen")[:2]
    system = System(resolve_model(str(tmp_path / "model")), SERVER)
    episodes, report = asyncio.run(play(system, games, tasks, seed=0, concurrency=2))
    again, _ = asyncio.run(play(system, games, tasks, seed=0, concurrency=1))
    assert [episode.key.task_id for episode in episodes] == [task.id for task in tasks]
    assert [[t.act.action for t in e.turns] for e in episodes] == [
        [t.act.action for t in e.turns] for e in again
    ]
    assert report.success.rate == sum(episode.won for episode in episodes) / 2
    assert 0 < report.computed_share < 0.9


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "--out"),
        (["--out", "{file}"], "holds something that is no model"),
        (["--out", "x", "--layers", "0"], "layers"),
        (["--out", "x", "--skiled_steps", "3"], "skilled-steps"),
    ],
)
def test_bad_options_are_named(arguments: list[str], named: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(ConfigurationError, match=named):
        run([argument.format(file=tmp_path / "file") for argument in arguments])
    assert (tmp_path / "file").read_text() == "precious"


def test_the_preset_is_a_configuration() -> None:
    from configuration.files import read_toml
    from configuration.tree import Configuration

    preset = Configuration.model_validate(read_toml(PRESET))
    assert preset.planner.prompt_format == preset.executor.prompt_format == "nano"
    assert preset.planner.history >= preset.environment.step_limit
