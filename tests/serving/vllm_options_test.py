"""vLLM's own options: which are ours to set, and which are unknown."""

from __future__ import annotations

import dataclasses
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from configuration.servers import ModelServerSettings
from configuration.vllm_options import ALWAYS_THE_SAME, SET_BY_OUR_KEYS
from core.errors import ConfigurationError
from serving.vllm_options import check_options, engine_arguments

PACKAGE = """
from dataclasses import dataclass

@dataclass
class AsyncEngineArgs:
    model: str = ""
    tensor_parallel_size: int = 1
    quantization: str | None = None
"""

needs_vllm = pytest.mark.skipif(
    find_spec("vllm") is None, reason="vLLM is not installed: HIPER_REQUIREMENTS=gpu has it"
)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package called vllm whose engine takes three arguments."""
    others = {name: module for name, module in sys.modules.items() if name.partition(".")[0] != "vllm"}
    monkeypatch.setattr(sys, "modules", others)
    (tmp_path / "vllm" / "engine").mkdir(parents=True)
    (tmp_path / "vllm" / "__init__.py").touch()
    (tmp_path / "vllm" / "engine" / "__init__.py").touch()
    (tmp_path / "vllm" / "engine" / "arg_utils.py").write_text(PACKAGE)
    monkeypatch.syspath_prepend(str(tmp_path))


def settings(**options: object) -> ModelServerSettings:
    return ModelServerSettings(engine="vllm", context_length=512, max_batch=3, vllm=options)


def test_options_are_passed_on_and_ours_are_always_there() -> None:
    arguments = engine_arguments(Path("model"), settings(tensor_parallel_size=2, quantization="fp8"))
    assert arguments == {
        "tensor_parallel_size": 2,
        "quantization": "fp8",
        "model": "model",
        "dtype": "auto",
        "max_model_len": 512,
        "max_num_seqs": 3,
        "enable_prefix_caching": True,
        "enable_lora": True,
        "max_loras": 2,
        "max_lora_rank": 64,
        "enable_sleep_mode": False,
        "logprobs_mode": "processed_logprobs",
    }


def test_vllm_is_told_that_it_is_to_sleep() -> None:
    sleeps = ModelServerSettings(engine="vllm", sleep_while_updating=True)
    assert engine_arguments(Path("model"), sleeps)["enable_sleep_mode"] is True


def test_what_the_engine_sets_cannot_be_given_except_for_the_prefix_cache() -> None:
    ours = engine_arguments(Path("model"), settings()).keys()
    assert ours - SET_BY_OUR_KEYS.keys() - ALWAYS_THE_SAME.keys() == {"enable_prefix_caching"}
    assert set(SET_BY_OUR_KEYS.values()) <= ModelServerSettings.model_fields.keys()
    off = engine_arguments(Path("model"), settings(enable_prefix_caching=False))
    assert off["enable_prefix_caching"] is False


def test_an_unknown_option_is_refused_with_the_nearest_where_vllm_is_installed(installed: None) -> None:
    check_options("planner", {"tensor_parallel_size": 2, "quantization": "fp8"})
    with pytest.raises(ConfigurationError) as refused:
        check_options("planner", {"quantization": "fp8", "tensor_paralel_size": 2})
    assert str(refused.value) == (
        "planner.vllm.tensor_paralel_size: vLLM has no such engine argument. "
        "Did you mean tensor_parallel_size?"
    )


def test_an_unknown_option_is_kept_where_vllm_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    check_options("planner", {"tensor_paralel_size": 2})
    assert engine_arguments(Path("m"), settings(tensor_paralel_size=2))["tensor_paralel_size"] == 2


@needs_vllm
def test_vllm_has_all_arguments_that_the_engine_sets() -> None:
    from vllm.engine.arg_utils import AsyncEngineArgs

    known = {field.name for field in dataclasses.fields(AsyncEngineArgs)}
    assert engine_arguments(Path("model"), settings()).keys() <= known
    with pytest.raises(ConfigurationError, match="Did you mean tensor_parallel_size"):
        check_options("planner", {"tensor_parallel_sizes": 2})
