"""A tokenizer that reads bytes, for models so small that tests can train them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


_SPECIALS = ("<|im_start|>", "<|im_end|>")


def byte_tokenizer(
    template: str = _TEMPLATE,
    specials: Sequence[str] = _SPECIALS,
    eos: str = "<|im_end|>",
    words: Sequence[str] = (),
) -> PreTrainedTokenizerFast:
    """256 bytes and the special tokens, with a chat template; `words` are tokens that are not special."""
    from transformers import PreTrainedTokenizerFast

    made = PreTrainedTokenizerFast(tokenizer_object=_tokenizer(specials, words), eos_token=eos)
    made.chat_template = template
    return made


def save_byte_tokenizer(folder: Path) -> int:
    """Writes the files that `byte_tokenizer().save_pretrained` would, without importing Transformers.

    Returns:
        The number of tokens.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(_SPECIALS)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|im_end|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "chat_template.jinja").write_text(_TEMPLATE)
    return tokenizer.get_vocab_size()


def _tokenizer(specials: Sequence[str], words: Sequence[str] = ()) -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(special) for special in specials])
    tokenizer.add_tokens([AddedToken(word) for word in words])
    return tokenizer
