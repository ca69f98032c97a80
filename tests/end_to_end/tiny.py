"""A model folder so small that whole runs take seconds: it reads bytes, and says nothing sensible."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from tests.byte_tokenizer import save_byte_tokenizer

_HIDDEN, _INNER, _LAYERS, _HEADS, _KEY_VALUE_HEADS = 32, 48, 2, 2, 1
_HEAD = _HIDDEN // _HEADS
_SPREAD = 0.15


def tiny_model(folder: Path) -> Path:
    """60,000 parameters; the folder, filled.

    The files are written by hand: importing PyTorch and Transformers, which only the servers need, takes
    seconds.
    """
    words = save_byte_tokenizer(folder)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": words,
        "hidden_size": _HIDDEN,
        "intermediate_size": _INNER,
        "num_hidden_layers": _LAYERS,
        "num_attention_heads": _HEADS,
        "num_key_value_heads": _KEY_VALUE_HEADS,
        "max_position_embeddings": 4096,
        "initializer_range": _SPREAD,
        "tie_word_embeddings": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "dtype": "float32",
    }
    (folder / "config.json").write_text(json.dumps(config))
    draw = np.random.default_rng(0)
    weights = {
        name: (draw.standard_normal(shape) * _SPREAD).astype(np.float32)
        for name, shape in _shapes(words).items()
    }
    norms = ["model.norm", *(f"model.layers.{layer}.{at}" for layer in range(_LAYERS) for at in _NORMS)]
    weights |= {f"{norm}.weight": np.ones(_HIDDEN, np.float32) for norm in norms}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


_NORMS = ("input_layernorm", "post_attention_layernorm")


def _shapes(words: int) -> dict[str, tuple[int, int]]:
    """Shapes [out, in] of all matrices by the names that Transformers gives them."""
    rows = {
        "self_attn.q_proj": (_HIDDEN, _HIDDEN),
        "self_attn.k_proj": (_KEY_VALUE_HEADS * _HEAD, _HIDDEN),
        "self_attn.v_proj": (_KEY_VALUE_HEADS * _HEAD, _HIDDEN),
        "self_attn.o_proj": (_HIDDEN, _HIDDEN),
        "mlp.gate_proj": (_INNER, _HIDDEN),
        "mlp.up_proj": (_INNER, _HIDDEN),
        "mlp.down_proj": (_HIDDEN, _INNER),
    }
    layers = {
        f"model.layers.{layer}.{name}.weight": shape
        for layer in range(_LAYERS)
        for name, shape in rows.items()
    }
    return {"model.embed_tokens.weight": (words, _HIDDEN), **layers}
