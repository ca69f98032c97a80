"""What can be said of the vLLM engine where vLLM is not installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from serving.engines import make_engine
from serving.errors import PreconditionError
from serving.model import ModelFolder
from serving.settings import ModelServerSettings


def test_without_vllm_the_error_names_the_lock_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(PreconditionError, match="HIPER_REQUIREMENTS=gpu"):
        make_engine(ModelFolder(Path("."), "none", ""), ModelServerSettings(engine="vllm"))
