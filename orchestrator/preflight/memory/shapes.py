"""The shape of a base model, from its config.json or a table of published models."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.errors import NotFoundError
from core.paths import user_path
from serving.model import BUNDLED

PUBLISHED = Path(__file__).with_name("published_shapes.toml")
BUNDLED_NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"
_BIASED = ("qwen2",)
"""Model types whose query, key and value projections have a bias whatever config.json says."""
_NORMED = ("qwen3",)
"""Model types that normalise queries and keys, with a weight for each number of a head."""


class UnknownShapeError(NotFoundError):
    """The model's shape is not known; the message says where it was looked for, or what is missing."""


@dataclass(frozen=True)
class ModelShape:
    """Sizes of a llama-like decoder: grouped-query attention, a gated MLP, RMS norms."""

    words: int
    """Size of the vocabulary, the number of rows of the embedding."""
    hidden: int
    inner: int
    """Width of the MLP."""
    layers: int
    heads: int
    key_heads: int
    head_size: int
    longest: int
    """Largest number of tokens that the model's positions allow."""
    tied: bool
    """Whether the output head is the embedding."""
    biased: bool
    """Whether query, key and value projections have a bias."""
    normed_heads: bool
    """Whether queries and keys are normalised."""
    source: str
    """Name of the file or table that the sizes come from."""

    @property
    def query_size(self) -> int:
        return self.heads * self.head_size

    @property
    def key_size(self) -> int:
        return self.key_heads * self.head_size

    @property
    def linears(self) -> dict[str, tuple[int, int]]:
        """Sizes (in, out) of each linear layer of a block, by the last part of its name."""
        hidden, inner, query, key = self.hidden, self.inner, self.query_size, self.key_size
        return {
            "q_proj": (hidden, query),
            "k_proj": (hidden, key),
            "v_proj": (hidden, key),
            "o_proj": (query, hidden),
            "gate_proj": (hidden, inner),
            "up_proj": (hidden, inner),
            "down_proj": (inner, hidden),
        }

    @property
    def linear_parameters(self) -> int:
        """Number of parameters in the matrices of all blocks' linear layers."""
        return self.layers * sum(fan_in * fan_out for fan_in, fan_out in self.linears.values())

    @property
    def block_parameters(self) -> int:
        """Number of parameters of one block."""
        block = sum(fan_in * fan_out for fan_in, fan_out in self.linears.values()) + 2 * self.hidden
        biases = (self.query_size + 2 * self.key_size) * self.biased
        return block + biases + 2 * self.head_size * self.normed_heads

    @property
    def parameters(self) -> int:
        """Number of parameters of the whole model; a tied head is counted once."""
        embeddings = self.words * self.hidden * (1 if self.tied else 2)
        return embeddings + self.layers * self.block_parameters + self.hidden

    def adapted(self, last_layers: int | None) -> ModelShape:
        """The shape of only the blocks that have an adapter: the last `last_layers`, or all if it is None."""
        return self if last_layers is None else replace(self, layers=min(last_layers, self.layers))

    def adapted_parameters(self, targets: Iterable[str]) -> int:
        """Number of parameters in the base model's matrices that an adapter changes."""
        return self.layers * sum(fan_in * fan_out for fan_in, fan_out in self._sizes(targets))

    def adapter_parameters(self, rank: int, targets: Iterable[str]) -> int:
        """Number of parameters of a LoRA adapter, A [rank, in] and B [out, rank] (arXiv 2106.09685)."""
        return self.layers * rank * sum(fan_in + fan_out for fan_in, fan_out in self._sizes(targets))

    def _sizes(self, targets: Iterable[str]) -> list[tuple[int, int]]:
        return [self.linears[target] for target in targets if target in self.linears]


def find_shape(name: str) -> ModelShape:
    """The shape of the model with this name in a configuration; downloads and converts nothing.

    Looks for a local folder, then in the hub's cache, then in the table of published models.

    Raises:
        UnknownShapeError: it is in none of these.
    """
    wanted = BUNDLED_NAME if name == BUNDLED else name
    if name != BUNDLED and (file := local_config(name)) is not None:
        try:
            return read_shape(json.loads(file.read_text(encoding="utf-8")), str(file))
        except (OSError, ValueError) as error:
            raise UnknownShapeError(f"{file} cannot be read: {error}") from error
    table = tomllib.loads(PUBLISHED.read_text(encoding="utf-8"))
    if wanted in table:
        return read_shape(table[wanted], "published shapes")
    raise UnknownShapeError(
        f"the shape of model {name} is not known: it is not a folder with a config.json, not in the hub's "
        f"cache, and not one of {', '.join(table)}"
    )


def local_config(name: str) -> Path | None:
    """config.json of a local folder or of a model in the hub's cache; None if there is neither."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    folder = user_path(name)
    if folder.exists():
        return folder / "config.json"
    try:
        cached = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        return None
    return Path(cached) if isinstance(cached, str) else None


def read_shape(config: Mapping[str, Any], source: str) -> ModelShape:
    """The shape in the contents of transformers' config.json.

    Raises:
        UnknownShapeError: a size is missing or not a number.
    """
    try:
        heads = int(config["num_attention_heads"])
        return ModelShape(
            words=int(config["vocab_size"]),
            hidden=int(config["hidden_size"]),
            inner=int(config["intermediate_size"]),
            layers=int(config["num_hidden_layers"]),
            heads=heads,
            key_heads=int(config.get("num_key_value_heads") or heads),
            head_size=int(config.get("head_dim") or config["hidden_size"] // heads),
            longest=int(config["max_position_embeddings"]),
            tied=bool(config.get("tie_word_embeddings", False)),
            biased=config.get("model_type") in _BIASED or bool(config.get("attention_bias")),
            normed_heads=config.get("model_type") in _NORMED,
            source=source,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UnknownShapeError(f"{source} has no readable {error}: it is not a known decoder") from error
