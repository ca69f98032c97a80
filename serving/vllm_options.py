"""The arguments of vLLM's engine: those that ours needs, and those that are passed through.

It does not import vLLM unless it is installed, so that a configuration can be checked anywhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from configuration.keys import nearest
from configuration.servers import ModelServerSettings
from core.errors import ConfigurationError

ADAPTERS = 2
"""Number of adapters that fit: an old version completes its requests while the new one serves."""


def engine_arguments(model: Path, settings: ModelServerSettings) -> dict[str, Any]:
    """Arguments of AsyncEngineArgs by name."""
    return {
        "enable_prefix_caching": True,
        **settings.vllm,
        "model": str(model),
        "dtype": settings.dtype,
        "max_model_len": settings.context_length,
        "max_num_seqs": settings.max_batch,
        "enable_lora": True,
        "max_loras": ADAPTERS,
        "max_lora_rank": settings.max_lora_rank,
        "enable_sleep_mode": settings.sleep_while_updating,
        # Log-probabilities of the distribution that is sampled from, with the temperature applied.
        "logprobs_mode": "processed_logprobs",
    }


def check_options(section: str, options: Mapping[str, Any]) -> None:
    """Checks that vLLM has these options, if it is installed; otherwise they are left to the server.

    Args:
        section: Section of the configuration, `planner` or `executor`, for the message.
        options: Values by name.

    Raises:
        ConfigurationError: an option is unknown; names the nearest one.
    """
    known = _known_options() if options else None
    if known is None:
        return
    for name in options:
        if name not in known:
            hint = nearest(name, sorted(known))
            raise ConfigurationError(f"{section}.vllm.{name}: vLLM has no such engine argument.{hint}")


def _known_options() -> frozenset[str] | None:
    """Names of the fields of AsyncEngineArgs; None if vLLM is not installed."""
    if find_spec("vllm") is None:
        return None
    from vllm.engine.arg_utils import AsyncEngineArgs

    return frozenset(field.name for field in dataclasses.fields(AsyncEngineArgs))
