"""Numbers of parameters, counted by hand; and where a shape is read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.preflight.memory.shapes import (
    BUNDLED_NAME,
    UnknownShapeError,
    find_shape,
    local_config,
    read_shape,
)
from tests.orchestrator.preflight.memory.shapes import TINY

CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "vocab_size": 10,
    "hidden_size": 8,
    "intermediate_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "tie_word_embeddings": True,
}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def cached_model(cache: Path, name: str, config: dict[str, Any]) -> Path:
    """Puts a config.json where the hub's client puts what it downloads."""
    folder = cache / f"models--{name.replace('/', '--')}"
    snapshot = folder / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0123")
    (snapshot / "config.json").write_text(json.dumps(config))
    return snapshot / "config.json"


def test_sizes_follow_from_the_config() -> None:
    shape = read_shape(CONFIG, "by hand")
    assert shape == TINY
    assert (shape.query_size, shape.key_size) == (8, 4)
    assert shape.linears == {
        "q_proj": (8, 8),
        "k_proj": (8, 4),
        "v_proj": (8, 4),
        "o_proj": (8, 8),
        "gate_proj": (8, 12),
        "up_proj": (8, 12),
        "down_proj": (12, 8),
    }


@pytest.mark.parametrize(
    ("changes", "parameters"),
    [
        # Embedding 80; two blocks of 480 and 2 norms of 8; the last norm 8.
        ({}, 80 + 2 * (480 + 16) + 8),
        ({"tied": False}, 160 + 2 * (480 + 16) + 8),
        # Biases of queries, keys and values: 8 + 4 + 4.
        ({"biased": True}, 80 + 2 * (480 + 16 + 16) + 8),
        # A weight for each number of a head, for queries and for keys.
        ({"normed_heads": True}, 80 + 2 * (480 + 16 + 4) + 8),
        ({"layers": 1}, 80 + (480 + 16) + 8),
    ],
)
def test_parameters(changes: dict[str, Any], parameters: int) -> None:
    assert replace(TINY, **changes).parameters == parameters


def test_what_a_config_leaves_out_has_the_usual_value() -> None:
    sparse = {key: value for key, value in CONFIG.items() if key not in ("num_key_value_heads", "head_dim")}
    del sparse["tie_word_embeddings"]
    shape = read_shape(sparse, "")
    assert (shape.key_heads, shape.head_size, shape.tied) == (4, 2, False)
    nulls = read_shape({**CONFIG, "num_key_value_heads": None, "head_dim": None}, "")
    assert (nulls.key_heads, nulls.head_size) == (4, 2)
    assert read_shape({**CONFIG, "head_dim": 16}, "").head_size == 16


@pytest.mark.parametrize(
    ("changes", "biased", "normed"),
    [
        ({}, False, False),
        ({"model_type": "qwen2"}, True, False),
        ({"model_type": "qwen3"}, False, True),
        ({"attention_bias": True}, True, False),
        ({"model_type": "qwen3", "attention_bias": True}, True, True),
    ],
)
def test_biases_and_norms_of_heads_depend_on_the_kind_of_model(
    changes: dict[str, Any], biased: bool, normed: bool
) -> None:
    shape = read_shape({**CONFIG, **changes}, "")
    assert (shape.biased, shape.normed_heads) == (biased, normed)


@pytest.mark.parametrize(
    "key",
    [
        "vocab_size",
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "max_position_embeddings",
    ],
)
@pytest.mark.parametrize("value", [None, "many", "left out"])
def test_a_size_that_cannot_be_read_is_refused(key: str, value: object) -> None:
    config = {**CONFIG, key: value}
    if value == "left out":
        del config[key]
    with pytest.raises(UnknownShapeError, match="some/config.json has no readable "):
        read_shape(config, "some/config.json")


def test_an_adapter_has_two_factors_for_each_target() -> None:
    # A [rank, in] and B [out, rank]: 3 · (8 + 8) and 3 · (12 + 8) in each of two blocks.
    assert TINY.adapter_parameters(3, ("q_proj", "down_proj")) == 2 * (3 * 16 + 3 * 20)
    assert TINY.adapted_parameters(("q_proj", "down_proj")) == 2 * (64 + 96)
    assert TINY.adapter_parameters(3, ("unheard_of",)) == TINY.adapted_parameters(()) == 0


def test_only_the_last_blocks_may_be_adapted() -> None:
    assert TINY.adapted(None) is TINY
    assert TINY.adapted(1).layers == 1
    assert TINY.adapted(1).adapter_parameters(3, ("q_proj",)) == 3 * 16
    assert TINY.adapted(9).layers == 2


def test_a_local_folder_counts_before_anything_else(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    assert find_shape(str(tmp_path)) == replace(TINY, source=str(tmp_path / "config.json"))


def test_a_folder_without_a_config_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownShapeError, match=r"config\.json cannot be read"):
        find_shape(str(tmp_path))


def test_a_model_in_the_hub_s_cache_counts_before_the_published_table(cache: Path) -> None:
    name = "Qwen/Qwen2.5-0.5B-Instruct"
    assert find_shape(name).source == "published shapes"
    file = cached_model(cache, name, CONFIG)
    assert local_config(name) == file
    assert find_shape(name) == replace(TINY, source=str(file))


def test_the_bundled_model_is_in_the_table() -> None:
    assert find_shape("bundled") == find_shape(BUNDLED_NAME)
    assert find_shape("bundled").source == "published shapes"


def test_a_model_that_is_nowhere_is_refused_with_those_that_are_known(cache: Path) -> None:
    assert local_config("somebody/unheard-of") is None
    with pytest.raises(
        UnknownShapeError, match="somebody/unheard-of is not known.* not one of Qwen/Qwen2.5-0.5B"
    ):
        find_shape("somebody/unheard-of")


@pytest.mark.parametrize("name", ["no model at all", "a/b/c", "--"])
def test_a_name_that_the_hub_would_not_accept_is_not_known(cache: Path, name: str) -> None:
    assert local_config(name) is None
    with pytest.raises(UnknownShapeError):
        find_shape(name)
