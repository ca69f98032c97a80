"""Making a base model: training, the folder, and playing with it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM

from core.errors import ConfigurationError
from learner.imitation.demonstrations import Formats
from learner.update.packing import TokenSequence
from serving.model import resolve_model
from studies.nano.base import BaseSettings, nano_base
from studies.nano.corpus import Lesson, lessons
from studies.nano.evaluation import System, play
from studies.nano.looking_back import DISTANCES
from studies.nano.player import ErringBenchmark, Errors
from studies.nano.settings import NanoSettings
from studies.nano.training import Teacher, new_model, token_losses
from studies.nano.trees import Batch, Tree
from studies.nano_base import PRESET, run
from tests.studies.nano.worlds import SERVER, benchmark, environment_settings, formats, tokenizer

TINY = NanoSettings(
    hidden_size=16,
    intermediate_size=32,
    layers=1,
    heads=2,
    look_back_heads=1,
    skilled_games=4,
    skilled_steps=2,
    erring_games=4,
    erring_steps=1,
    batch_episodes=1,
    vocabulary=400,
)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BaseSettings:
    monkeypatch.setenv("HIPER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("studies.nano.base._WORDS_FROM_GAMES", 6)
    return BaseSettings(TINY, environment_settings(), SERVER, SERVER, seed=5)


def test_token_losses_are_those_of_the_sequence_alone() -> None:
    model = new_model(TINY, tokenizer(6), seed=0)
    answers = TokenSequence((3, 4, 5), (6, 7)), TokenSequence((3, 4, 8), (9,))
    transcript = TokenSequence((3,), (4, 5))
    other = Lesson((TokenSequence((7, 3), (5,)),), TokenSequence((7,), (3, 9, 9)))
    batch = Batch.of([Tree.of(Lesson(answers, transcript)), Tree.of(other)])
    losses = token_losses(model, batch)
    model.set_attn_implementation("eager")
    expected = {True: _losses(model, [*answers, *other.answers])}
    expected[False] = _losses(model, [transcript, other.transcript])
    assert sorted(losses[batch.is_answer].tolist()) == pytest.approx(sorted(expected[True]), abs=1e-5)
    assert sorted(losses[batch.is_transcript].tolist()) == pytest.approx(sorted(expected[False]), abs=1e-5)


def _losses(model: LlamaForCausalLM, sequences: Sequence[TokenSequence]) -> list[float]:
    losses = []
    for sequence in sequences:
        ids = torch.tensor([sequence.prompt_ids + sequence.response_ids])
        logprobs = model(input_ids=ids).logits[0].log_softmax(-1)
        begin = len(sequence.prompt_ids)
        losses += [-float(logprobs[i - 1, ids[0, i]].detach()) for i in range(begin, ids.shape[1])]
    return losses


@pytest.mark.parametrize("distance", [1, 2, 3, 6])
def test_heads_look_back_by_their_distance(distance: int) -> None:
    settings = TINY.model_copy(update={"hidden_size": 128, "heads": 4, "look_back_heads": 4})
    model = new_model(settings, tokenizer(6), seed=0)
    model.set_attn_implementation("eager")
    ids = torch.randint(3, 300, (1, 40), generator=torch.Generator().manual_seed(1))
    weights = model(input_ids=ids, output_attentions=True).attentions[0][0, DISTANCES.index(distance)]
    rows = torch.arange(distance, 40)
    assert float(weights[rows, rows - distance].detach().median()) > 0.9


def test_what_is_taught_is_learnt() -> None:
    words = tokenizer(6)
    player = ErringBenchmark(benchmark(6), Errors(), seed=0)
    shown = lessons(player, player.tasks("train")[:1], formats(words), corrected=True)
    seen: list[float] = []
    teacher = Teacher(new_model(TINY, words, seed=0), TINY.model_copy(update={"learning_rate": 0.1}), seed=0)
    teacher.teach([Tree.of(shown[0])], 40, 1.0, lambda _, loss: seen.append(loss))
    assert seen[0] > 5.5
    assert seen[-1] < 0.5 * seen[0]


def test_corrected_lessons_teach_the_right_action_after_what_was_done() -> None:
    words = tokenizer(6)
    player = ErringBenchmark(benchmark(6), Errors(action=0.5, refused=0.3), seed=0)
    tasks = player.tasks("train")
    as_done, corrected = (lessons(player, tasks, formats(words), corrected=yes) for yes in (False, True))
    for one, other, task in zip(as_done, corrected, tasks, strict=True):
        assert [a.prompt_ids for a in one.answers] == [a.prompt_ids for a in other.answers]
        rights = [turn.right.action for turn in player.taught(task)]
        taught = [words.decode(a.response_ids, skip_special_tokens=True) for a in other.answers[1::2]]
        assert taught == rights
    assert any(a != b for a, b in zip(as_done, corrected, strict=True))


def test_without_a_hierarchy_the_same_actions_are_taught_with_the_task_as_subgoal() -> None:
    words = tokenizer(6)
    player = ErringBenchmark(benchmark(6), Errors(action=0.5, subgoal=0.5), seed=0)
    task = player.tasks("train")[0]
    alone = Formats.of(words, SERVER.model_copy(update={"hierarchy": False}), SERVER)
    taught, whole = (lessons(player, [task], form, corrected=False)[0] for form in (alone, formats(words)))
    actions = [[a.response_ids for a in one.answers[1::2]] for one in (taught, whole)]
    assert actions[0] == actions[1]
    subgoals = {words.decode(a.prompt_ids).partition("\nSubgoal: ")[2] for a in taught.answers[1::2]}
    goal = words.decode(taught.answers[0].response_ids, skip_special_tokens=True).strip()
    assert subgoals == {f"{goal}\n<|assistant|>"}


def test_a_base_is_made_once_and_the_same_from_the_same_seed(settings: BaseSettings, tmp_path: Path) -> None:
    messages: list[str] = []
    assert not nano_base(settings, tmp_path / "one", lambda _, text: messages.append(text))
    assert any("skilled player: step 2 of 2" in text for text in messages)
    assert any("erring player: step 1 of 1" in text for text in messages)
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


def test_the_first_part_is_not_taught_again_for_another_second(
    settings: BaseSettings, tmp_path: Path
) -> None:
    nano_base(settings, tmp_path / "one", lambda _, __: None)
    milder = replace(settings, nano=settings.nano.model_copy(update={"action_error": 0.1}))
    messages: list[str] = []
    assert not nano_base(milder, tmp_path / "two", lambda _, text: messages.append(text))
    assert any("erring player" in text for text in messages)
    assert not any("skilled player" in text for text in messages)


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
        (["--out", "{file}"], "is not a model"),
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
