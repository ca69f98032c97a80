"""A tokenizer that reads bytes, for models so small that tests can train them."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def byte_tokenizer(
    template: str = _TEMPLATE,
    specials: Sequence[str] = ("<|im_start|>", "<|im_end|>"),
    eos: str = "<|im_end|>",
    words: Sequence[str] = (),
) -> PreTrainedTokenizerFast:
    """256 bytes and the special tokens, with a chat template; `words` are tokens that are not special."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(special) for special in specials])
    tokenizer.add_tokens([AddedToken(word) for word in words])
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=eos)
    made.chat_template = template
    return made
