"""`bazel run //benchmarks:agreement`: whether engine and learner compute what transformers computes on a CPU.

The embedded engine samples answers on its device, a GPU if there is one. Their log-probabilities are compared
with those of transformers' own code in float32 on the CPU, and so are the learner's of the same answers. A
number format whose differences are too large has no use, however fast it is. On a GPU, the answers are
sampled with CUDA graphs, too, and should be the same; in bfloat16, rounding changes some.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import torch
from pydantic import Field
from rich.console import Console
from rich.table import Table
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from benchmarks.engine import prompts
from benchmarks.results import Figure, Outcome, ResultFlags
from configuration.command import main, read
from configuration.tree import Configuration
from core.progress import progress
from learner.update.packing import TokenSequence, pack
from learner.update.policy import PLANNER, AdaptedModel
from serving.embedded.decoding import Capture, CudaGraphs
from serving.embedded.engine import EmbeddedEngine
from serving.engine import GenerationRequest, GenerationResult
from serving.model import DtypeName, ModelFolder, compute_device, compute_dtype, resolve_model

FORMATS: tuple[DtypeName, ...] = ("float32", "bfloat16")
GOALS = {"float32": 0.001, "bfloat16": 0.05}
"""Largest mean difference of a token, in nats."""


class BenchmarkFlags(ResultFlags):
    """Options of this command."""

    answers: int = Field(8, ge=1)
    """Number of answers, sampled together."""
    tokens: int = Field(24, ge=1)
    """Number of tokens of each answer."""


def sampled(
    model: ModelFolder, dtype: DtypeName, flags: BenchmarkFlags, capture: Capture | None = None
) -> list[GenerationResult]:
    """Answers of the embedded engine."""
    engine = EmbeddedEngine(model, dtype, context_length=512, max_batch=flags.answers, capture=capture)

    async def answers() -> list[GenerationResult]:
        await engine.start()
        requests = [
            GenerationRequest(tuple(prompt), flags.tokens, 1.0, number, frozenset())
            for number, prompt in enumerate(prompts(flags.answers, seed=0))
        ]
        results = await asyncio.gather(*(engine.generate(request) for request in requests))
        await engine.close()
        return list(results)

    return asyncio.run(answers())


@torch.no_grad()
def by_transformers(base: PreTrainedModel, sequences: Sequence[TokenSequence]) -> Tensor:
    """[R] log-probabilities of all answers' tokens, by a pass over each sequence."""
    found = []
    for one in sequences:
        ids = torch.tensor([[*one.prompt_ids, *one.response_ids]])
        scores = base(input_ids=ids).logits[0, len(one.prompt_ids) - 1 : -1].log_softmax(-1)
        found.append(scores.gather(-1, ids[0, len(one.prompt_ids) :, None])[:, 0])
    return torch.cat(found)


@torch.no_grad()
def by_learner(
    c: Configuration, model: ModelFolder, dtype: DtypeName, answers: list[TokenSequence]
) -> Tensor:
    """[R] log-probabilities of all answers' tokens, by the learner's packs."""
    device = compute_device()
    adapted = AdaptedModel(model.path, c.lora, compute_dtype(dtype), device, c.run.seed)
    found: dict[int, Tensor] = {}
    for one in pack(answers, c.learner.pack_tokens, device):
        ones = torch.ones(len(one.targets), device=device)
        scores = adapted.answer_scores(one, PLANNER, ones).logprobs.cpu()
        lengths = [len(answers[member].response_ids) for member in one.members]
        found |= dict(zip(one.members, scores.split(lengths), strict=True))
    return torch.cat([found[place] for place in range(len(answers))])


def run(argv: Sequence[str]) -> int:
    line, console = read(argv, "agreement", BenchmarkFlags), Console()
    c, flags = line.configuration, line.flags
    outcome = Outcome("agreement", argv, flags)
    model = resolve_model(c.learner.model)
    base = AutoModelForCausalLM.from_pretrained(model.path, dtype=torch.float32).eval()
    table = Table(
        "number format", "engine: mean, largest", "learner: mean, largest", title="difference, nats"
    )
    figures = []
    with progress(console, "agreement") as report:
        for place, dtype in enumerate(FORMATS):
            report(place / len(FORMATS), dtype)
            results = sampled(model, dtype, flags)
            answers = [
                TokenSequence(tuple(prompt), result.token_ids)
                for prompt, result in zip(prompts(flags.answers, seed=0), results, strict=True)
            ]
            right = by_transformers(base, answers)
            said = torch.tensor([one for result in results for one in result.logprobs])
            found = {"engine": said - right, "learner": by_learner(c, model, dtype, answers) - right}
            table.add_row(dtype, *(f"{d.abs().mean():.1e}, {d.abs().max():.1e}" for d in found.values()))
            figures += [
                Figure(f"{dtype}, {who}, mean", float(d.abs().mean()), GOALS[dtype], "nats", at_least=False)
                for who, d in found.items()
            ]
            if torch.cuda.is_available():
                graphs = sampled(model, dtype, flags, CudaGraphs())
                same = [one.token_ids == other.token_ids for one, other in zip(graphs, results, strict=True)]
                figures.append(
                    Figure(f"{dtype}, same answers with CUDA graphs", sum(same) / len(same), 1.0, "of all")
                )
    device = f"engine and learner on {compute_device()}, {flags.answers} answers of {flags.tokens} tokens"
    outcome.show(table, device, figures=figures)
    return 0


if __name__ == "__main__":
    main(run)
