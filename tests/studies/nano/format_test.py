"""Prompts of the nano format, and a tokenizer made for them."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from transformers import PreTrainedTokenizerFast

from core.prefix import shared_length
from core.text import one_line
from environments.alfworld.telling import AlfworldTelling
from executor import nano_format
from learner.imitation.demonstrations import lesson
from planner.parser import PlannerParser
from play.telling import shown
from serving.text.chat import Chat
from studies.nano.player import ErringBenchmark
from tests.studies.nano.worlds import ERRING, benchmark, formats, tokenizer
from trajectory.episode import Episode, PastTurn, TurnContext

TELLING = AlfworldTelling()


@pytest.fixture(scope="module")
def words() -> PreTrainedTokenizerFast:
    return tokenizer()


@pytest.fixture(scope="module")
def episode(words: PreTrainedTokenizerFast) -> Episode:
    player = ErringBenchmark(benchmark(), ERRING, seed=0)
    task = max(player.tasks("train"), key=lambda task: len(player.demonstration(task)))
    played = lesson(player, player.environment(), task, formats(words), player.player())
    return asyncio.run(played).episode


def test_the_same_texts_give_the_same_tokenizer(words: PreTrainedTokenizerFast) -> None:
    assert tokenizer().backend_tokenizer.to_str() == words.backend_tokenizer.to_str()


@pytest.mark.parametrize("word", ["keep", "switch", " put", " countertop", " 1", "go"])
def test_frequent_words_are_one_token(words: PreTrainedTokenizerFast, word: str) -> None:
    assert len(words.encode(word)) == 1


def test_any_text_survives(words: PreTrainedTokenizerFast) -> None:
    chat = Chat(words)
    text = "Größe 12? <b>中文</b> \t keep"
    assert chat.decode(chat.encode(text)) == text


def test_keep_is_one_token_to_sample(words: PreTrainedTokenizerFast) -> None:
    assert len(PlannerParser(words).keep_ids) == 1


def test_a_prompt_begins_with_the_one_before_it_up_to_the_subgoal(
    episode: Episode, words: PreTrainedTokenizerFast
) -> None:
    plans = [turn.plan.generation.prompt_ids for turn in episode.turns]
    acts = [turn.act.generation.prompt_ids for turn in episode.turns]
    assert len(plans) == 20
    for earlier, later in zip(plans, acts, strict=True):
        rest = words.decode(earlier[shared_length(earlier, later) :])
        assert len(rest.splitlines()) <= 3
    for earlier, later in pairwise(plans):
        shared = words.decode(later[: shared_length(earlier, later)])
        assert shared in words.decode(earlier)
        assert "Subgoal" not in shared
        assert len(later) > shared_length(earlier, later) > len(earlier) - 30


def test_all_that_was_seen_and_done_is_shown(episode: Episode, words: PreTrainedTokenizerFast) -> None:
    shown = words.decode(episode.turns[-1].act.generation.prompt_ids)
    for turn in episode.turns[:-1]:
        assert f">{turn.act.action}\n" in shown
        assert TELLING.told("", one_line(turn.observation), episode.goal) in shown


def test_the_executor_is_told_of_places_it_has_not_been_to(words: PreTrainedTokenizerFast) -> None:
    context = TurnContext("g", 1, (PastTurn("o", "go to bed 1"),), "seen", "find and take a mug", 0)
    actions = shown(TELLING, ("go to bed 1", "go to desk 2", "go to shelf 1", "look", "open fridge 1"))
    message = nano_format.message(Chat(words), context, actions)
    assert message.splitlines()[-2:] == ["New: desk 2, shelf 1.", "Subgoal: find and take a mug"]
    assert "New: nothing." in nano_format.message(Chat(words), context, shown(TELLING, ("look",)))


def test_the_chat_template_marks_what_the_assistant_says(words: PreTrainedTokenizerFast) -> None:
    chat = [
        {"role": "system", "content": "A"},
        {"role": "user", "content": "B"},
        {"role": "assistant", "content": "keep"},
    ]
    text = words.apply_chat_template(chat, tokenize=False)
    assert text == "A\nB\n<|assistant|>keep<|end|>\n"
