"""Prompts and answers with the chat templates of other models.

The templates were written for these tests. They have the structure of the models' own: the roles that are
accepted, the tokens around them, and the variables that change what is rendered.
"""

from __future__ import annotations

import pytest
from transformers import PreTrainedTokenizerFast

from executor.parser import ExecutorParser
from executor.prompt import ExecutorPrompt
from planner.parser import PlannerParser
from planner.prompt import PlannerPrompt
from serving.text.chat import Chat
from tests.byte_tokenizer import byte_tokenizer
from trajectory.episode import AdmissibleAction, Decision, TurnContext

QWEN3 = (
    "{%- for m in messages %}"
    "{%- if m.role == 'assistant' and loop.last %}"
    "{{- '<|im_start|>assistant\n<think>\n\n</think>\n\n' + m.content + '<|im_end|>\n' }}"
    "{%- else %}{{- '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{%- endif %}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}"
    "{{- '<think>\n\n</think>\n\n' }}{%- endif %}{%- endif %}"
)
"""A model that thinks before it answers, unless an empty thought is put into the prompt."""

LLAMA3 = (
    "{{- '<|begin_of_text|>' }}"
    "{%- if not date_string is defined %}"
    "{%- if strftime_now is defined %}{%- set date_string = strftime_now('%d %b %Y') %}"
    "{%- else %}{%- set date_string = '26 Jul 2024' %}{%- endif %}{%- endif %}"
    "{%- if messages[0].role == 'system' %}"
    "{%- set system = messages[0].content | trim %}{%- set messages = messages[1:] %}"
    "{%- else %}{%- set system = '' %}{%- endif %}"
    "{{- '<|start_header_id|>system<|end_header_id|>\n\nToday Date: ' + date_string + '\n\n' }}"
    "{{- system + '<|eot_id|>' }}"
    "{%- for m in messages %}"
    "{{- '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content | trim + '<|eot_id|>' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}"
)
"""The date of the day is part of every prompt, unless another is given."""

GEMMA = (
    "{{ '<bos>' }}"
    "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' }}"
    "{{ m.content | trim + '<end_of_turn>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
"""There is no system, and a turn ends with another token than a text does."""

WITHOUT_SYSTEM = (
    "{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
    "{% elif m.role == 'assistant' %}{{ m.content }}</s>{% endif %}{% endfor %}"
)
"""The system's message is left out without a word."""

TOKENIZERS = {
    "qwen3": byte_tokenizer(
        QWEN3,
        ("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        "<|im_end|>",
        words=("<think>", "</think>"),
    ),
    "llama3": byte_tokenizer(
        LLAMA3,
        ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        "<|eot_id|>",
    ),
    "llama3 with the end of a text": byte_tokenizer(
        LLAMA3,
        ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        "<|end_of_text|>",
    ),
    "gemma": byte_tokenizer(GEMMA, ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"), "<eos>"),
    "without a system": byte_tokenizer(WITHOUT_SYSTEM, ("<s>", "</s>"), "</s>"),
}
FIRST = TurnContext("find a mug", 0, (), "You see a <|im_end|><end_of_turn><|eot_id|>shelf 1.", "", 0)
LATER = TurnContext("find a mug", 3, (), "You see a mug 1.", "go to the shelf", 2)
ALL = pytest.mark.parametrize("tokenizer", TOKENIZERS.values(), ids=TOKENIZERS.keys())


def planned(name: str, context: TurnContext) -> str:
    """The planner's prompt as text."""
    tokenizer = TOKENIZERS[name]
    return str(tokenizer.decode(PlannerPrompt(tokenizer, "transcript", 2, 4096).render(context)))


def instructions_of(text: str, before: str, after: str) -> str:
    assert text.startswith(before)
    return text.removeprefix(before).partition(after)[0]


def test_qwen3_is_asked_not_to_think() -> None:
    text = planned("qwen3", LATER)
    begin, answer = "<|im_start|>system\n", "<|im_start|>assistant\n<think>\n\n</think>\n\n"
    assert "Plan?" in instructions_of(text, begin, "<|im_end|>\n<|im_start|>user\n")
    assert text.endswith(f"Plan?<|im_end|>\n{answer}")
    assert planned("qwen3", FIRST).endswith(f"{answer}switch:")


def test_llama3_is_told_the_same_date_every_day() -> None:
    text = planned("llama3", LATER)
    assert text.startswith(
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nToday Date: 26 Jul 2024\n\nYou play"
    )
    assert text.endswith("Plan?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n")
    assert text.count("<|begin_of_text|>") == 1


def test_gemma_reads_the_instructions_as_the_user_s() -> None:
    text = planned("gemma", LATER)
    begin, end = "<bos><start_of_turn>user\n", "<end_of_turn>\n<start_of_turn>model\n"
    assert text.startswith(f"{begin}You play a text game.") and text.endswith(f"Plan?{end}")
    message = text.removeprefix(begin).removesuffix(end)
    instructions, _, question = message.partition("\n\n")
    assert instructions.endswith("serves the subgoal.") and question.startswith("Task: find a mug\n")
    assert planned("gemma", FIRST).endswith(f"{end}switch:")


def test_a_template_that_leaves_the_system_out_is_noticed() -> None:
    text = planned("without a system", LATER)
    assert text.startswith("[INST] You play a text game.") and text.endswith("Plan? [/INST]")


@ALL
def test_special_tokens_of_the_template_are_not_in_the_observation(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    chat = Chat(tokenizer)
    specials = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    for text in specials:
        assert text not in chat.clean(f"a {text} b")


@pytest.mark.parametrize(
    ("name", "end", "all_ends"),
    [
        ("qwen3", "<|im_end|>", {"<|im_end|>"}),
        ("llama3", "<|eot_id|>", {"<|eot_id|>"}),
        ("llama3 with the end of a text", "<|eot_id|>", {"<|eot_id|>", "<|end_of_text|>"}),
        ("gemma", "<end_of_turn>", {"<end_of_turn>", "<eos>"}),
        ("without a system", "</s>", {"</s>"}),
    ],
)
def test_an_answer_ends_with_the_token_that_ends_a_turn(name: str, end: str, all_ends: set[str]) -> None:
    tokenizer = TOKENIZERS[name]
    chat = Chat(tokenizer)
    assert tokenizer.convert_ids_to_tokens(chat.end_id) == end
    stops = tokenizer.convert_ids_to_tokens(sorted(chat.line_end_ids))
    assert {stop for stop in stops if stop.startswith("<")} == all_ends


@ALL
def test_answers_are_read_as_they_were_written(tokenizer: PreTrainedTokenizerFast) -> None:
    planner, executor = PlannerParser(tokenizer), ExecutorParser(tokenizer)
    for turn in (0, 3):
        ids = planner.answer_ids(Decision.SWITCH, "go to the shelf", turn)
        assert ids[-1] in planner.stop_ids
        assert planner.parse(ids, turn, "goal", "").subgoal == "go to the shelf"
    ids = executor.answer_ids("take mug 1")
    assert ids[-1] in executor.stop_ids and executor.parse(ids).action == "take mug 1"


@ALL
def test_the_executor_is_asked_in_the_same_template(tokenizer: PreTrainedTokenizerFast) -> None:
    prompt = ExecutorPrompt(tokenizer, "compact", 2, 4096)
    text = tokenizer.decode(prompt.render(LATER, [AdmissibleAction("look")]))
    assert "look" in text and "go to the shelf" in text
    assert "find a mug" in text.rpartition("Task: ")[2]
