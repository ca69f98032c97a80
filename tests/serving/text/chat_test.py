"""Long prompts: what is left out, and how little is tokenised to find that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

from core.errors import PromptTooLongError
from planner.prompt import PlannerPrompt
from serving.bundled_model import bundled_model
from serving.model import load_tokenizer
from serving.text.chat import Chat, fit, longest_token
from trajectory.episode import PastTurn, TurnContext

TOKENIZER = load_tokenizer(bundled_model())
ROOM = 200
BOUNDED, UNBOUNDED = Chat(TOKENIZER, ROOM), Chat(TOKENIZER)
LONGEST = max(TOKENIZER.get_vocab(), key=len).replace("Ċ", "\n").replace("Ġ", " ")


def context(turns: list[int], observation: int) -> TurnContext:
    history = tuple(PastTurn("x" * length, "look") for length in turns)
    return TurnContext(
        goal="goal",
        turn=len(turns),
        history=history,
        observation="o" * observation,
        subgoal="s",
        subgoal_age=1,
    )


def one_per_character(shown: TurnContext) -> tuple[int, ...]:
    """A token for each character, and 10 for the instructions."""
    return tuple(range(10 + sum(len(past.observation) for past in shown.history) + len(shown.observation)))


class Counted:
    """Counts how often a prompt is rendered."""

    def __init__(self, render: Callable[[TurnContext], tuple[int, ...]]) -> None:
        self._render = render
        self.calls = 0

    def __call__(self, shown: TurnContext) -> tuple[int, ...]:
        self.calls += 1
        return self._render(shown)


@settings(deadline=None)
@given(st.lists(st.integers(0, 40), max_size=60), st.integers(0, 300), st.integers(10, 400))
def test_the_oldest_turns_are_dropped_and_less_than_half_of_those_that_fit(
    turns: list[int], observation: int, room: int
) -> None:
    asked, render = context(turns, observation), Counted(one_per_character)
    ids = fit(render, asked, room)
    assert len(ids) <= room
    without = [
        one_per_character(replace(asked, history=asked.history[dropped:]))
        for dropped in range(len(turns) + 1)
    ]
    if fitting := [dropped for dropped, found in enumerate(without) if len(found) <= room]:
        fewest = fitting[0]
        fit_in = len(turns) - fewest
        assert ids in (without[fewest : fewest + max(1, (fit_in + 1) // 2)] if fewest else without[:1])
        assert render.calls <= 3 + len(turns).bit_length()
    else:
        # Its middle is cut to within the 8 characters at which the search ends.
        assert len(ids) > room - 9


@pytest.mark.parametrize(("fit_in", "turns", "beginnings"), [(8, 15, 3), (5, 50, 23), (20, 50, 5)])
def test_most_prompts_of_a_long_episode_continue_the_one_before(
    fit_in: int, turns: int, beginnings: int
) -> None:
    def oldest(turn: int) -> int:
        """The oldest of all earlier turns that is shown."""
        ids = fit(one_per_character, context([100] * turn, 100), room=10 + 100 * (fit_in + 1))
        return turn - (len(ids) - 110) // 100

    assert len({oldest(turn) for turn in range(turns)}) == beginnings


def test_what_cannot_fit_is_refused() -> None:
    with pytest.raises(PromptTooLongError, match="9 tokens are accepted"):
        fit(one_per_character, context([3, 3], 5), 9)


@settings(deadline=None)
@given(st.lists(st.sampled_from([LONGEST, "a", "é", "🙂", " ", "word ", "\ud800"]) | st.text(), max_size=60))
def test_a_prompt_is_refused_unseen_only_where_it_is_too_long(parts: list[str]) -> None:
    message = UNBOUNDED.clean("".join(parts))
    ids = UNBOUNDED.prompt_ids("Do.", message)
    try:
        assert BOUNDED.prompt_ids("Do.", message) == ids
    except PromptTooLongError:
        assert len(ids) > ROOM


@pytest.mark.parametrize("text", [LONGEST, "You see a mug. ", "\U000f1234"])
def test_of_a_long_observation_little_is_tokenised(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = PlannerPrompt(TOKENIZER, "compact", 2, context_length=512, max_new_tokens=24)
    encode, tokenised = Chat.encode, []

    def noted(chat: Chat, text: str) -> tuple[int, ...]:
        tokenised.append(len(text))
        return encode(chat, text)

    monkeypatch.setattr(Chat, "encode", noted)
    observation = text * (1_000_000 // len(text))
    ids = made.render(TurnContext("goal", 1, (), observation, "subgoal", 1))
    assert len(ids) <= 512 - 24
    characters = longest_token(TOKENIZER)
    assert characters is not None
    assert max(tokenised) <= 488 * characters
    assert sum(tokenised) < 300_000


def test_a_token_for_unknown_words_stands_for_any_number_of_characters() -> None:
    words = Tokenizer(WordLevel({"[UNK]": 0, "go": 1, "look": 2}, unk_token="[UNK]"))
    words.pre_tokenizer = Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]")
    assert longest_token(tokenizer) is None
    assert longest_token(TOKENIZER) == len(LONGEST)
