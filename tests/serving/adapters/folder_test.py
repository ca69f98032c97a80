"""What is accepted as an adapter."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from core.errors import HiperError, InvalidInputError, NotFoundError
from serving.adapters.folder import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    base_shapes,
    check_adapter,
    largest_weights,
    read_config,
    read_lora_pairs,
)
from serving.model import ModelFolder
from tests.serving.models import random_adapter, tiny_model

FIRST = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def folder(model: ModelFolder, tmp_path: Path) -> Path:
    random_adapter(model, tmp_path, seed=1)
    return tmp_path


def edit_tensors(folder: Path, edit: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / WEIGHTS_FILE)
    edit(tensors)
    save_file(tensors, folder / WEIGHTS_FILE)


def edit_config(folder: Path, **changes: object) -> None:
    fields = json.loads((folder / CONFIG_FILE).read_text())
    (folder / CONFIG_FILE).write_text(json.dumps({**fields, **changes}))


def test_what_peft_writes_is_accepted_and_within_the_size_limit(model: ModelFolder, folder: Path) -> None:
    shapes = base_shapes(model.path)
    check_adapter(folder, shapes, max_rank=4)
    assert (folder / WEIGHTS_FILE).stat().st_size <= largest_weights(shapes, max_rank=4)


def test_pairs_name_the_parameter_they_change(model: ModelFolder, folder: Path) -> None:
    pairs = {pair.parameter: pair for pair in read_lora_pairs(folder)}
    assert len(pairs) == 2 * 7
    query = pairs["model.layers.0.self_attn.q_proj.weight"]
    assert (query.a.shape, query.b.shape, query.scaling) == ((4, 32), (32, 4), 2.0)


def test_scaling_of_a_rank_stabilised_adapter() -> None:
    config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "use_rslora": True}
    assert read_config(json.dumps(config).encode(), max_rank=4).scaling == 4.0


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda t: t[FIRST].__setitem__((0, 0), float("nan")), "not finite"),
        (lambda t: t[FIRST].__setitem__((0, 0), float("inf")), "not finite"),
        (lambda t: t.update({FIRST: t[FIRST][:, :5].contiguous()}), r"shape \(4, 5\); \(4, 32\)"),
        (lambda t: t.update({FIRST: t[FIRST].to(torch.int32)}), "floating"),
        (lambda t: t.pop(FIRST), "without its counterpart"),
        (lambda t: t.clear(), "no tensors"),
        (lambda t: t.update({FIRST.replace("q_proj", "x_proj"): t[FIRST].clone()}), "no linear layer"),
        (lambda t: t.update({"lm_head.weight": torch.zeros(2)}), "plain LoRA"),
    ],
)
def test_weights_that_do_not_fit_are_named(
    model: ModelFolder, folder: Path, edit: Callable[[dict[str, torch.Tensor]], object], message: str
) -> None:
    edit_tensors(folder, edit)
    with pytest.raises(InvalidInputError, match=message):
        check_adapter(folder, base_shapes(model.path), max_rank=4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"r": 5}, "1 to 4"),
        ({"r": "4"}, "rank"),
        ({"lora_alpha": None}, "lora_alpha"),
        ({"peft_type": "IA3"}, "LORA"),
        ({"use_dora": True}, "use_dora"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"rank_pattern": {"q_proj": 2}}, "rank_pattern"),
    ],
)
def test_configurations_that_are_not_plain_lora_are_refused(
    model: ModelFolder, folder: Path, changes: dict[str, object], message: str
) -> None:
    edit_config(folder, **changes)
    with pytest.raises(InvalidInputError, match=message):
        check_adapter(folder, base_shapes(model.path), max_rank=4)


@pytest.mark.parametrize("content", [b"", b"not safetensors", b"\xff" * 64])
def test_files_that_are_no_safetensors_are_refused(model: ModelFolder, folder: Path, content: bytes) -> None:
    (folder / WEIGHTS_FILE).write_bytes(content)
    with pytest.raises(HiperError, match="not a safetensors file"):
        check_adapter(folder, base_shapes(model.path), max_rank=4)


def test_pickled_weights_are_not_looked_at(model: ModelFolder, folder: Path) -> None:
    (folder / WEIGHTS_FILE).rename(folder / "adapter_model.bin")
    with pytest.raises(NotFoundError, match="pickled"):
        check_adapter(folder, base_shapes(model.path), max_rank=4)


def _config(**changes: object) -> bytes:
    return json.dumps({"peft_type": "LORA", "r": 4, "lora_alpha": 8, **changes}).encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 200_000 + b"]" * 200_000, "nested too deeply"),
        (b'{"r": ' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
        (_config(lora_alpha=10**400), "lora_alpha = 1000.*is not a finite number"),
        (_config(lora_alpha=-(10**400)), "lora_alpha"),
        (_config(lora_alpha=8).replace(b"8", b"1e400"), "lora_alpha = inf"),
        (_config(lora_alpha=8).replace(b"8", b"9" * 5000), "not JSON"),
        (_config(r=10**400), "rank r = 1000"),
        (_config(peft_type="x" * 100_000), "peft_type is 'xxx"),
    ],
)
def test_values_beyond_reason_are_refused_in_few_words(content: bytes, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        read_config(content, max_rank=4)
    assert len(str(caught.value)) < 300


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_KEYS = st.sampled_from(
    ["peft_type", "r", "lora_alpha", "use_rslora", "use_dora", "bias", "rank_pattern", "layer_replication"]
)


@settings(deadline=None)
@given(
    st.binary(max_size=300)
    | _JSON.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(_KEYS, _JSON).map(lambda changes: _config(**changes))
    | st.integers(0, 10**6).map(lambda alpha: _config(lora_alpha=alpha))
)
def test_any_configuration_is_read_or_refused(content: bytes) -> None:
    try:
        config = read_config(content, max_rank=4)
    except InvalidInputError:
        return
    assert 1 <= config.rank <= 4
    assert math.isfinite(config.scaling)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b'{"a": 1}', b" " * (2 << 20)])
def test_a_configuration_that_cannot_be_read_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInputError):
        read_config(content, max_rank=4)
