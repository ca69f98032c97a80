"""Options of vLLM itself, passed through from `[planner.vllm]` and `[executor.vllm]`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator

UTILIZATION = "gpu_memory_utilization"
"""Name of vLLM's option for its share of a GPU's memory."""

SET_BY_OUR_KEYS: Mapping[str, str] = {
    "model": "model",
    "tokenizer": "model",
    "dtype": "dtype",
    "max_model_len": "context_length",
    "max_num_seqs": "max_batch",
    "max_lora_rank": "max_lora_rank",
    "enable_sleep_mode": "sleep_while_updating",
}
"""vLLM's options that our engine sets, and the keys of our sections that decide them."""

ALWAYS_THE_SAME: Mapping[str, str] = {
    "enable_lora": "adapters are always served",
    "max_loras": "the old adapter and the new one always fit",
    "logprobs_mode": "the learner needs the log-probabilities of what is sampled from",
}
"""vLLM's options that our engine always sets to the same value, and why."""


def text_as_option(text: str) -> Any:
    """The value that a text of the command line means: JSON if it is, otherwise the text itself."""
    lowered = text.strip().lower()
    if lowered in ("true", "false", "none"):
        return {"true": True, "false": False, "none": None}[lowered]
    try:
        return json.loads(text, parse_constant=_not_a_number)
    except ValueError:
        return text


def _not_a_number(name: str) -> None:
    # Python reads NaN, which equals nothing, not even itself in the configuration of a resumed run.
    raise ValueError(name)


def _checked(options: dict[str, Any]) -> dict[str, Any]:
    for name in options:
        if name in SET_BY_OUR_KEYS:
            raise ValueError(f"vLLM's {name} is set by the key {SET_BY_OUR_KEYS[name]} of this section")
        if name in ALWAYS_THE_SAME:
            raise ValueError(f"vLLM's {name} cannot be set: {ALWAYS_THE_SAME[name]}")
    kept: dict[str, Any] = _without_none(options)
    share = kept.get(UTILIZATION, 1.0)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise ValueError(f"{UTILIZATION} = {share!r}: a share above 0 and up to 1 is needed")
    return kept


def _without_none(value: Any) -> Any:
    """The value as TOML can hold it; a table's entry that is None is the same as one that is not given."""
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        if None in value:
            raise ValueError(f"{value!r}: a list with null in it cannot be written to a configuration file")
        return [_without_none(item) for item in value]
    return value


VllmOptions = Annotated[dict[str, Any], AfterValidator(_checked)]
"""Values by the name of a field of vLLM's AsyncEngineArgs, as in TOML or JSON."""
