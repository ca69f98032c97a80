"""The tokenizer that is trained on a benchmark's words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies.nano.vocabulary import ASSISTANT, END, PAD, train_tokenizer

TEXTS = ["On the desk 1, you see a mug 1, and a pen 2.", ">take mug 1 from desk 1", "switch: find a mug"] * 9
WORDS = train_tokenizer(TEXTS, size=400)


def test_words_are_tokens_with_the_blank_before_them() -> None:
    assert WORDS.tokenize("the desk 1") == ["the", "Ġdesk", "Ġ1"]
    assert WORDS.tokenize("desk") != ["Ġdesk"], "at the beginning there is no blank to be part of it"


@settings(deadline=None, max_examples=60)
@given(st.text())
def test_any_text_is_read_back(text: str) -> None:
    assert WORDS.decode(WORDS(text).input_ids, clean_up_tokenization_spaces=False) == text


@pytest.mark.parametrize("text", [PAD, ASSISTANT, END])
def test_marks_are_single_tokens(text: str) -> None:
    (token,) = WORDS(text).input_ids
    assert token in WORDS.all_special_ids or text == ASSISTANT
    assert WORDS.convert_tokens_to_ids(text) == token < 3


def test_padding_and_end_are_known() -> None:
    assert (WORDS.pad_token, WORDS.eos_token) == (PAD, END)


def test_the_size_is_a_limit_and_few_words_need_less() -> None:
    assert len(WORDS) <= 400
    assert len(train_tokenizer(TEXTS, size=280)) == 280
    assert len(train_tokenizer(["a"], size=5000)) == 259, "256 bytes and three marks"


def test_a_chat_marks_only_what_the_assistant_says() -> None:
    messages = [
        {"role": "system", "content": "rules"},
        {"role": "user", "content": "a room"},
        {"role": "assistant", "content": "look"},
    ]
    whole = WORDS.apply_chat_template(messages, tokenize=False)
    assert whole == f"rules\na room\n{ASSISTANT}look{END}\n"
    asked = WORDS.apply_chat_template(messages[:2], tokenize=False, add_generation_prompt=True)
    assert asked == f"rules\na room\n{ASSISTANT}"
    assert whole.startswith(asked)
