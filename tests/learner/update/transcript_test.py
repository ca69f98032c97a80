"""Prompts that are a transcript of the episode, with the bundled model's tokenizer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest

from configuration.environment import EnvironmentSettings, GeneratorSettings
from configuration.servers import PlannerSettings
from core.prefix import shared_length
from environments.benchmark import Benchmark
from environments.registry import load
from executor.prompt import ExecutorPrompt
from executor.transcript_format import message
from learner.imitation.demonstrations import Formats, lesson
from learner.imitation.teachers import teacher_of
from serving.model import load_tokenizer, resolve_model
from serving.text.chat import Chat
from serving.text.transcript import transcript
from trajectory.episode import AdmissibleAction, Episode, PastTurn, Told, TurnContext

TOKENIZER = load_tokenizer(resolve_model("bundled").path)
SERVER = PlannerSettings(prompt_format="transcript", history=64, context_length=4096, max_new_tokens=64)
FORMATS = Formats.of(TOKENIZER, SERVER, SERVER)


def benchmark(name: str) -> Benchmark:
    generator = GeneratorSettings(games=6, products=40, horizon="short")
    return load(EnvironmentSettings(name=name, source="generated", generator=generator))


def longest(name: str) -> Episode:
    played = benchmark(name)
    tasks, expert = played.tasks("train")[:12], teacher_of(played, "expert")
    lessons = (lesson(played, played.environment(), task, FORMATS, expert) for task in tasks)
    return max((asyncio.run(one).episode for one in lessons), key=lambda episode: len(episode.turns))


@pytest.fixture(scope="module", params=["alfworld", "webshop"])
def episode(request: pytest.FixtureRequest) -> Episode:
    return longest(request.param)


def test_a_prompt_goes_on_from_the_one_before_it(episode: Episode) -> None:
    plans = [turn.plan.generation.prompt_ids for turn in episode.turns]
    acts = [turn.act.generation.prompt_ids for turn in episode.turns]
    assert len(plans) >= 4
    for prompts in (plans, acts):
        for earlier, later in pairwise(prompts):
            rest = TOKENIZER.decode(earlier[shared_length(earlier, later) :])
            assert len(rest.partition("<|im_end|>")[0].splitlines()) <= 3


def test_both_roles_share_the_transcript(episode: Episode) -> None:
    for turn in episode.turns:
        plan, act = turn.plan.generation.prompt_ids, turn.act.generation.prompt_ids
        shared = TOKENIZER.decode(plan[: shared_length(plan, act)])
        assert f"\nTask: {' '.join(episode.goal.split())}\n" in shared


def test_everything_done_is_shown(episode: Episode) -> None:
    shown = TOKENIZER.decode(episode.turns[-1].act.generation.prompt_ids)
    for turn in episode.turns[:-1]:
        assert f"\n>{turn.act.action}\n" in shown


def test_actions_are_listed_that_do_not_follow_from_the_transcript() -> None:
    chat = Chat(TOKENIZER)
    context = TurnContext("put a mug in sinkbasin.", 0, (), "You see a mug 1.", "take a mug", 0)
    follows = AdmissibleAction("go to bed 1", follows=True)
    actions = (follows, AdmissibleAction("take mug 1 from desk 1"), AdmissibleAction("look"))
    lines = message(chat, context, actions).splitlines()
    assert lines[-3:] == ["Here: take mug 1 from desk 1 / look", "Subgoal: take a mug", "Action?"]
    assert message(chat, context, (follows,)).splitlines()[-2:] == lines[-2:]
    assert "Here" not in message(chat, context, (follows,))


def test_what_was_told_after_a_turn_that_is_not_shown_is_told_alone() -> None:
    told = Told("a whole page", "same page")
    past = PastTurn("[page]", "click", told)
    context = TurnContext("buy", 2, (past, past), "[page]", "buy", 0, told)
    assert transcript(Chat(TOKENIZER), context) == [
        "Task: buy",
        "a whole page",
        ">click",
        "same page",
        ">click",
        "same page",
    ]
    assert transcript(Chat(TOKENIZER), replace(context, history=()))[1:] == ["a whole page"]


def test_an_observation_that_does_not_fit_is_cut_as_it_is_told() -> None:
    long = "first " + "word " * 300 + "last"
    context = TurnContext("buy", 0, (), "never shown", "buy", 0, Told(long, long))
    prompt = ExecutorPrompt(TOKENIZER, "transcript", 64, 256)
    text = TOKENIZER.decode(prompt.render(context, ()))
    assert "first word" in text and "word last" in text and "never shown" not in text
    assert 200 < len(prompt.render(context, ())) <= 256 - 24
