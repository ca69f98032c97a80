"""Estimates the memory of the learner."""

from __future__ import annotations

from dataclasses import replace

from configuration.learner import LearnerSettings
from configuration.tree import Configuration
from core.role import Role
from orchestrator.preflight.memory.items import (
    CONTEXT,
    CONTEXT_BYTES,
    GIB,
    LEARNER,
    Item,
    ServiceMemory,
    number_bytes,
)
from orchestrator.preflight.memory.shapes import ModelShape

ADAPTERS = 2
"""Number of adapters that learn: planner's and executor's."""
_FLOAT = 4
"""Bytes of a float32 number."""
_NF4 = 1 / 2 + 1 / 64 + 4 / (64 * 256)
"""Bytes of a weight in NF4: 4 bits; an 8-bit scale for 64 weights, whose own scale is one float32 for 256."""


def learner_memory(shape: ModelShape, configuration: Configuration) -> ServiceMemory:
    """The memory of one of the learner's processes (ranks) at the peak of an update.

    Adapters, their gradients and AdamW's two moments are float32: 16 bytes for each parameter of the adapter
    that is being updated, 12 for each parameter of the other one. The frozen base has neither gradients nor
    moments. Neither have the adapters of version 0, which the critic reads the prompts with and which are the
    KL reference; they are held if either is used. Every rank holds the adapters, and the base unless its
    blocks are divided; which of DeepSpeed's additional copies are sharded depends on ZeRO's stage
    (arXiv 1910.02054).
    """
    lora, learner = configuration.lora, configuration.learner
    size = number_bytes(learner.dtype)
    adapted = shape.adapted(lora.last_layers)
    adapter = adapted.adapter_parameters(lora.rank, lora.targets)
    head = 0 if size == _FLOAT else shape.words * shape.hidden * _FLOAT
    context, answer = _longest(configuration)
    tokens = max(learner.pack_tokens, context)
    saved = activation_bytes(adapted, tokens, size, lora.rank, lora.targets)
    inputs = checkpointed_bytes(adapted, tokens, size, saved)
    kept, otherwise = (inputs, saved) if learner.gradient_checkpointing else (saved, inputs)
    answers = max(tokens // context, 1) * answer
    memory = ServiceMemory(
        LEARNER,
        (
            _weights(shape, learner, size),
            Item("output head", head, "a float32 copy, for exact log-probabilities"),
            Item(
                "adapters",
                ADAPTERS * adapter * _FLOAT,
                f"{ADAPTERS} × {adapter:,} × float32, rank {lora.rank}",
            ),
            *_reference_items(configuration, adapter),
            Item("gradients", adapter * _FLOAT, "of one adapter at a time", given_up=True),
            *_optimizer_items(learner, adapter),
            Item(
                "activations",
                kept,
                f"a pack of {tokens} tokens, sequences of {context}; {otherwise / GIB:.2f} "
                f"{'without' if learner.gradient_checkpointing else 'with'} learner.gradient_checkpointing",
                given_up=True,
            ),
            Item(
                "attention mask",
                tokens * tokens * size,
                f"{tokens} × {tokens} tokens, for all layers",
                given_up=True,
            ),
            Item(
                "activations, in flight",
                saved // adapted.layers + (adapter * size if size < _FLOAT else 0),
                "gradients of one layer; adapter in half precision",
                given_up=True,
            ),
            *_whole_matrix(shape, learner, size),
            Item(
                "logits",
                4 * answers * shape.words * _FLOAT,
                f"{answers} answer tokens × {shape.words} words, 4 ×",
                given_up=True,
            ),
            Item(CONTEXT, CONTEXT_BYTES, "assumed"),
        ),
        ranks=learner.ranks,
    )
    if not any(configuration.model_server(role).sleep_while_updating for role in Role):
        return memory
    remark = f"while episodes are played, the learner holds {memory.bytes_at_rest / GIB:.1f} GiB"
    return replace(memory, remarks=(remark,))


def _weights(shape: ModelShape, learner: LearnerSettings, size: int) -> Item:
    how = f"{shape.parameters:,} × {size} bytes ({shape.source})"
    whole = shape.parameters * size
    if learner.quantization == "nf4":
        linear = shape.linear_parameters
        others = shape.parameters - linear
        return Item(
            "weights",
            others * size + round(linear * _NF4),
            f"{linear:,} in 4 bits × {_NF4:.2f} bytes, {others:,} × {size} bytes ({shape.source}); "
            f"{whole / GIB:.2f} without learner.quantization",
        )
    if not learner.shard_base:
        return Item("weights", whole, how)
    blocks, block = shape.layers * shape.block_parameters, shape.block_parameters
    held = shape.parameters - blocks + blocks // learner.ranks + block
    return Item(
        "weights",
        held * size,
        f"{how}: 1/{learner.ranks} of the blocks and one whole block; {whole / GIB:.2f} "
        "without learner.shard_base",
    )


def _whole_matrix(shape: ModelShape, learner: LearnerSettings, size: int) -> tuple[Item, ...]:
    """The largest matrix in the number format, in which a product with 4-bit weights is computed."""
    if learner.quantization == "none":
        return ()
    largest = max(fan_in * fan_out for fan_in, fan_out in shape.linears.values())
    return (Item("a matrix, restored", largest * size, "one at a time, from 4 bits", given_up=True),)


def _reference_items(configuration: Configuration, adapter: int) -> tuple[Item, ...]:
    """The frozen adapters of version 0."""
    is_kl_reference = configuration.ppo.kl_reference == "start" and configuration.ppo.kl_coefficient > 0
    if not is_kl_reference and not configuration.estimator.uses_values:
        return ()
    return (Item("adapters of version 0", ADAPTERS * adapter * _FLOAT, "frozen, for critic and KL"),)


def _optimizer_items(learner: LearnerSettings, adapter: int) -> tuple[Item, ...]:
    """AdamW's moments, and DeepSpeed's copies of all adapters and of the gradient that is applied."""
    stage, ranks = learner.zero_stage, learner.ranks
    moments = Item(
        "AdamW moments",
        ADAPTERS * 2 * adapter * _FLOAT // (ranks if stage >= 1 else 1),
        "two for each adapter parameter" + _shared(stage, 1, ranks),
    )
    if not learner.with_deepspeed:
        return (moments,)
    copies = Item(
        "DeepSpeed's adapters",
        ADAPTERS * adapter * _FLOAT // (ranks if stage >= 3 else 1),
        "a copy" + _shared(stage, 3, ranks),
    )
    gradients = adapter * _FLOAT + adapter * _FLOAT // (ranks if stage >= 2 else 1)
    return moments, copies, Item("DeepSpeed's gradients", gradients, "flat, before and after the sum")


def _shared(stage: int, since: int, ranks: int) -> str:
    return f", a {ranks}th on each rank" if stage >= since and ranks > 1 else ""


def activation_bytes(shape: ModelShape, tokens: int, size: int, rank: int, targets: tuple[str, ...]) -> int:
    """Bytes that the forward pass over a pack keeps for the backward pass, without recomputation.

    For each of the pack's tokens, a layer keeps the numbers below. Cf. arXiv 2205.05198, section 4, which
    counts those of a GPT layer with trained weights; here the base is frozen, so that a matrix keeps its
    input only for LoRA's A.

        2 norms                  2 · hidden               in float32
        inputs of A              2 · hidden + query + inner
        outputs of A             rank                     for each target
        attention                4 · query                queries, keys and values of each head, output
        its sums                 heads                    in float32
        gated MLP                3 · inner                gate, its activation, up

    Attention is the single call for a whole pack in learner/update/attention.py; its mask, the same for all
    layers, is counted separately.

    Args:
        shape: Shape of the base model.
        tokens: Number of tokens in a pack.
        size: Bytes of a number in the base model's format.
        rank: Rank of the adapter.
        targets: Names of the adapted layers.
    """
    numbers = 2 * shape.hidden + 5 * shape.query_size + 4 * shape.inner + len(targets) * rank
    floats = 2 * shape.hidden + shape.heads
    return shape.layers * tokens * (numbers * size + floats * _FLOAT)


def checkpointed_bytes(shape: ModelShape, tokens: int, size: int, saved: int) -> int:
    """Bytes at the peak of an update with gradient checkpointing: every block's input, and one whole block.

    Args:
        shape: Shape of the base model.
        tokens: Number of tokens in a pack.
        size: Bytes of a number in the base model's format.
        saved: Bytes without checkpointing, see `activation_bytes`.
    """
    return shape.layers * tokens * shape.hidden * size + saved // shape.layers


def _longest(configuration: Configuration) -> tuple[int, int]:
    """Number of tokens of the longest prompt with its answer, and of the longest answer."""
    servers = (configuration.planner, configuration.executor)
    return max(one.context_length for one in servers), max(one.longest_answer for one in servers)
