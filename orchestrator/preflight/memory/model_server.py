"""Estimates the memory of a model server, planner or executor."""

from __future__ import annotations

from dataclasses import replace

from configuration.learner import LoraSettings
from configuration.servers import ModelServerSettings
from orchestrator.preflight.memory.items import CONTEXT, CONTEXT_BYTES, GIB, Item, ServiceMemory, number_bytes
from orchestrator.preflight.memory.shapes import ModelShape
from orchestrator.servers.gpu_memory import VLLM_SHARE
from serving.vllm_options import ADAPTERS

VLLM_STEP_TOKENS = 8192
"""Number of tokens that vLLM computes in a step. An assumption: the default depends on version and GPU."""


def kv_token_bytes(shape: ModelShape, dtype: str) -> int:
    """Bytes of a token's keys and values: 2 · layers · key heads · head size numbers."""
    return 2 * shape.layers * shape.key_size * number_bytes(dtype)


def vllm_bytes(gpu_bytes: int, share: float = VLLM_SHARE) -> int:
    """Bytes that vLLM takes of a GPU, however much it needs."""
    return int(share * gpu_bytes)


def server_memory(
    role: str,
    shape: ModelShape,
    settings: ModelServerSettings,
    lora: LoraSettings,
    gpu_bytes: int,
    share: float = VLLM_SHARE,
) -> ServiceMemory:
    """The memory of a model server's engine, on each of its GPUs.

    Args:
        role: Name of the role, `planner` or `executor`.
        shape: Shape of the base model.
        settings: Settings of the server.
        lora: Shape of the adapters.
        gpu_bytes: Memory of one GPU.
        share: Part of it that vLLM takes, however much it needs.
    """
    if settings.engine == "vllm":
        memory = _vllm(role, shape, settings, lora, gpu_bytes, share)
    else:
        memory = _embedded(role, shape, settings, lora)
    return _asleep(memory) if settings.sleep_while_updating else memory


def _asleep(memory: ServiceMemory) -> ServiceMemory:
    """The memory of a server that gives up everything but its context during an update.

    The graphs that vLLM captures stay, too; they are not counted.
    """
    items = tuple(replace(item, given_up=item.what != CONTEXT) for item in memory.items)
    moved = sum(item.bytes for item in items if item.what in ("weights", "adapters"))
    freed = sum(item.bytes for item in items if item.given_up)
    remark = (
        f"during an update, the {memory.service} sleeps and gives up {freed / GIB:.1f} of its "
        f"{memory.bytes / GIB:.1f} GiB; {moved / GIB:.1f} GiB of them are then in the machine's memory"
    )
    return replace(memory, items=items, remarks=(*memory.remarks, remark))


def _embedded(
    role: str, shape: ModelShape, settings: ModelServerSettings, lora: LoraSettings
) -> ServiceMemory:
    """serving/embedded: one merged adapter, a preallocated cache, and recent prompts.

    A step computes whole prompts; if every place of the batch begins at once, these are max_batch · context
    tokens, each with three rows of the MLP's width and four of the model's. Sampling keeps the logits of a
    batch in the model's format, three times in float32 and once in float64.
    """
    size, cache = number_bytes(settings.dtype), kv_token_bytes(shape, settings.dtype)
    places, context = settings.max_batch, settings.context_length
    step_tokens = places * context
    return ServiceMemory(
        role,
        (
            _weights(shape, size, gpus=1),
            Item(
                "adapter, staged",
                shape.adapted(lora.last_layers).adapted_parameters(lora.targets) * size,
                "the new version's merged matrices, beside those that serve",
            ),
            Item("KV cache", places * context * cache, f"{places} × {context} tokens of {cache:,} bytes"),
            Item(
                "kept prompts",
                settings.kept_tokens * cache,
                f"{settings.kept_tokens} tokens, shared prefixes",
            ),
            Item(
                "a step's activations",
                step_tokens * (3 * shape.inner + 4 * shape.hidden) * size,
                f"{step_tokens} prompt tokens, if all places begin at once",
            ),
            Item("logits, sampling", places * shape.words * (size + 20), f"{places} × {shape.words} words"),
            Item(CONTEXT, CONTEXT_BYTES, "assumed"),
        ),
        warnings=_context_warnings(role, shape, settings),
    )


def _vllm(
    role: str,
    shape: ModelShape,
    settings: ModelServerSettings,
    lora: LoraSettings,
    gpu_bytes: int,
    share: float,
) -> ServiceMemory:
    """vLLM fills its share of the GPU: what weights, adapters and activations leave free becomes KV cache.

    Its LoRA buffers hold `max_loras` adapters padded to `max_lora_rank`. GPUs that compute together divide
    weights and cache; buffers and activations are counted whole, which is too much rather than too little.
    """
    size, gpus = number_bytes(settings.dtype), settings.gpus_each
    cache = kv_token_bytes(shape, "fp8" if _cache_in_fp8(settings) else settings.dtype)
    rank = settings.max_lora_rank
    step_tokens = max(VLLM_STEP_TOKENS, settings.context_length)
    fixed = (
        _weights(shape, size, gpus),
        Item(
            "adapters",
            ADAPTERS * shape.adapter_parameters(rank, lora.targets) * size,
            f"buffers of {ADAPTERS} versions (serving, staged), padded to rank {rank}",
        ),
        Item(
            "a step's activations",
            step_tokens * (3 * shape.inner + 4 * shape.hidden) * size,
            f"{step_tokens} tokens, assumed",
        ),
        Item("logits, sampling", settings.max_batch * shape.words * 12, f"{settings.max_batch} sequences"),
        Item(CONTEXT, CONTEXT_BYTES, "assumed"),
    )
    filled = vllm_bytes(gpu_bytes, share)
    needed = sum(item.bytes for item in fixed)
    left = max(filled - needed, 0)
    tokens = left * gpus // cache
    full = tokens // settings.context_length
    kv_cache = Item(
        "KV cache",
        left,
        f"the rest of vLLM's {share:.0%}: {tokens:,} tokens of {cache:,} bytes{_divided(gpus)}",
    )
    warnings = _context_warnings(role, shape, settings)
    if not full and needed <= gpu_bytes:
        warnings += (
            f"the {role} does not fit: with one sequence of {settings.context_length} tokens it needs "
            f"{(needed + settings.context_length * cache // gpus) / GIB:.1f} GiB, and vLLM takes "
            f"{filled / GIB:.1f} of the GPU's {gpu_bytes / GIB:.1f} GiB",
        )
    remark = f"the {role}'s KV cache holds {full} sequences of {settings.context_length} tokens"
    if full < settings.max_batch:
        remark += f", less than max_batch = {settings.max_batch}: shared prefixes apart, the rest waits"
    remarks = [remark] if full else []
    if method := settings.vllm.get("quantization"):
        remarks.append(f"the {role}'s weights are counted as {settings.dtype}; {method} makes them smaller")
    return ServiceMemory(role, (*fixed, kv_cache), tuple(remarks), warnings)


def _cache_in_fp8(settings: ModelServerSettings) -> bool:
    return str(settings.vllm.get("kv_cache_dtype", "")).startswith("fp8")


def _divided(gpus: int) -> str:
    return f", over {gpus} GPUs" if gpus > 1 else ""


def _weights(shape: ModelShape, size: int, gpus: int) -> Item:
    how = f"{shape.parameters:,} × {size} bytes ({shape.source}){_divided(gpus)}"
    return Item("weights", shape.parameters * size // gpus, how)


def _context_warnings(role: str, shape: ModelShape, settings: ModelServerSettings) -> tuple[str, ...]:
    if settings.context_length <= shape.longest:
        return ()
    return (
        f"{role}.context_length = {settings.context_length}: this model takes at most {shape.longest} tokens",
    )
