"""Prompts that are a transcript of the episode, with the bundled model's tokenizer."""

from __future__ import annotations

from itertools import pairwise

import pytest

from configuration.environment import EnvironmentSettings, GeneratorSettings
from configuration.servers import ModelServerSettings
from core.prefix import shared_length
from environments.benchmark import Benchmark
from environments.registry import load
from executor.transcript_format import message
from learner.imitation.demonstrations import Formats, demonstrate
from serving.model import load_tokenizer, resolve_model
from serving.text.chat import Chat
from serving.text.transcript import shortened, told_after
from trajectory.episode import Episode, TurnContext

TOKENIZER = load_tokenizer(resolve_model("bundled").path)
SERVER = ModelServerSettings(prompt_format="transcript", history=64, context_length=4096, max_new_tokens=64)
FORMATS = Formats.of(TOKENIZER, SERVER, SERVER)


def benchmark(name: str) -> Benchmark:
    generator = GeneratorSettings(games=6, products=40, horizon="short")
    return load(EnvironmentSettings(name=name, source="generated", generator=generator))


def longest(name: str) -> Episode:
    played = benchmark(name)
    tasks = played.tasks("train")[:12]
    return max(
        (demonstrate(played, played.environment(), task, FORMATS) for task in tasks),
        key=lambda episode: len(episode.turns),
    )


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


def test_actions_are_listed_where_the_transcript_does_not_tell_them() -> None:
    chat = Chat(TOKENIZER)
    context = TurnContext("put a mug in sinkbasin.", 0, (), "You see a mug 1.", "take a mug", 0)
    actions = ("go to bed 1", "examine desk 1", "take mug 1 from desk 1", "open drawer 1", "look")
    lines = message(chat, context, actions).splitlines()
    assert lines[-3:] == ["Here: take mug 1 from desk 1 / open drawer 1", "Subgoal: take a mug", "Action?"]
    told = ("search[<your query>]", "click[buy now]", "click[look]")
    assert message(chat, context, told).splitlines()[-2:] == lines[-2:]
    assert "Here" not in message(chat, context, told)


def test_pages_of_webshop_are_shown_without_the_instruction() -> None:
    page = "Instruction: [SEP] find a mug [SEP] Back to Search [SEP] Page 1 (Total results: 50)"
    assert shortened(page, "find a mug") == "Back to Search / Page 1 (Total results: 50)"
    assert shortened("WebShop [SEP] Instruction: [SEP] find a mug [SEP] Search", "find a mug") == "Search"
    assert shortened(page, "find a cup") == page
    assert shortened(f"He said: {page}", "find a mug") == f"He said: {page}"


def test_a_page_that_only_adds_to_the_one_before_is_told_by_what_it_adds() -> None:
    head, item = "Instruction: [SEP] find a mug [SEP] ", "Back to Search [SEP] < Prev"
    product = " [SEP] color [SEP] red [SEP] blue [SEP] Buy Now"
    seen = [
        head + item + product,
        f"{head}{item} [SEP] Chosen: color: red{product}",
        f"{head}{item} [SEP] Chosen: color: blue{product}",
        f"{head}{item} [SEP] Chosen: color: blue{product}",
        f"{head}{item} [SEP] Chosen: color: blue [SEP] A fine mug.",
    ]
    told = [told_after(before, now, "find a mug") for before, now in pairwise(["", *seen])]
    assert told == [
        "Back to Search / < Prev / color / red / blue / Buy Now",
        "Same page / Chosen: color: red",
        "Same page / Chosen: color: blue",
        "Same page",
        "Back to Search / < Prev / Chosen: color: blue / A fine mug.",
    ]
    assert told_after("Nothing happens.", "Nothing happens.", "find a mug") == "Nothing happens."
