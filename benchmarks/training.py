"""`bazel run //benchmarks:training`: compares an update with a plain PEFT loop over padded batches.

Both make one whole update (the critic's features, both policies, their reference if there is a KL term) from
the same episodes with the same base model in the same number format, one after the other, each in a fresh
process. The plain loop pads turns to the longest of their batch, and computes shared prefixes again for every
turn. As TRL's trainers do, it computes logits only from the first answer of a batch on, under autocast. It
leaves out the regressions that make values of the features.
"""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection

import torch
from peft import PeftModel, get_peft_model
from pydantic import Field
from rich.console import Console
from rich.table import Table
from torch import Tensor
from transformers import AutoModelForCausalLM

from benchmarks.results import Figure, Outcome, ResultFlags, wait_for_device
from benchmarks.settings import TRANSCRIPTS
from configuration.command import main, read
from configuration.tree import Configuration
from core.freed_memory import keep_freed_memory
from core.progress import progress
from environments.registry import load
from learner.imitation.demonstrations import Formats
from learner.imitation.lessons import training_lessons
from learner.update.policy import lora_config
from learner.update.trainer import Trainer, TrainerSettings
from serving.model import ModelFolder, compute_device, compute_dtype, load_tokenizer, resolve_model
from trajectory.episode import Episode, Generation

PADDED_BATCH = 4
"""Number of sequences that the plain loop computes together; 8 take 3 GB more, and no less time."""
GOAL = 3.0


class BenchmarkFlags(ResultFlags):
    """Options of this command."""

    episodes: int = Field(6, ge=1)
    """Number of demonstrations of training games that the update learns from."""


@dataclass(frozen=True)
class Measured:
    """Time and memory of an update."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    """Peak memory of the whole process, including the base model."""


@dataclass(frozen=True)
class Work:
    """The inputs of both updates."""

    configuration: Configuration
    model: ModelFolder
    episodes: Sequence[Episode]

    @property
    def tokens(self) -> int:
        """Number of tokens: of prompts and answers for the policies, and of prompts for the critic."""
        said = [g for e in self.episodes for t in e.turns for g in (t.plan.generation, t.act.generation)]
        return sum(2 * len(g.prompt_ids) + len(g.token_ids) for g in said)


def ours(work: Work) -> Callable[[], object]:
    """An update by the trainer."""
    trainer = trainer_of(work)
    return lambda: trainer.update(work.episodes, lambda *_: None)


def trainer_of(work: Work) -> Trainer:
    """A trainer that accepts all importance weights: its adapters are not those that sampled the episodes."""
    settings = TrainerSettings.of(work.configuration)
    ppo = settings.ppo.model_copy(update={"importance_band": (0.0, float("inf"))})
    return Trainer(replace(settings, ppo=ppo), work.model, work.configuration.run.seed)


def plain(work: Work, recompute: bool = False) -> Callable[[], object]:
    """An update with the same passes, written as in a tutorial.

    With `recompute`, log-probabilities before the update are computed in a pass of their own, as by verl.
    """
    torch.set_num_threads(work.configuration.learner.threads)
    dtype = compute_dtype(work.configuration.learner.dtype)
    base = AutoModelForCausalLM.from_pretrained(work.model.path, dtype=dtype, device_map=compute_device())
    config = lora_config(base, work.configuration.lora)
    model = get_peft_model(base, config, adapter_name="planner")
    model.add_adapter("executor", config)
    turns = [turn for episode in work.episodes for turn in episode.turns]
    planner, executor = [t.plan.generation for t in turns], [t.act.generation for t in turns]

    def step(adapter: str, batches: list[Sequence[Generation]], loss: Callable[..., Tensor]) -> None:
        model.set_adapter(adapter)
        chosen = [p for n, p in model.named_parameters() if f".{adapter}." in n]
        optimizer = torch.optim.AdamW(chosen, lr=1e-4)
        for batch in batches:
            loss(batch).backward()
        optimizer.step()

    def policy_loss(batch: Sequence[Generation]) -> Tensor:
        now = logprobs(model, batch, dtype)
        loss = -(now - now.detach()).exp().mean()
        if kl := work.configuration.ppo.kl_coefficient:
            with torch.no_grad(), model.disable_adapter():
                reference = logprobs(model, batch, dtype)
            loss = loss + kl * (now - reference).square().mean()
        return loss

    def update() -> None:
        for adapter, generations in (("planner", planner), ("executor", executor)):
            model.set_adapter(adapter)
            with torch.no_grad():
                for batch in _batches(generations):
                    features(model, batch, dtype)
                    if recompute:
                        logprobs(model, batch, dtype)
        step("planner", _batches(planner), policy_loss)
        step("executor", _batches(executor), policy_loss)

    return update


def features(model: PeftModel, batch: Sequence[Generation], dtype: torch.dtype) -> Tensor:
    """[B, F] hidden states at the ends of the prompts, after the middle block and after the last one."""
    ids, mask, prompt_ends = _padded(model, [g.prompt_ids for g in batch], [g.prompt_ids for g in batch])
    with _autocast(model, dtype):
        output = model(input_ids=ids, attention_mask=mask, output_hidden_states=True, logits_to_keep=1)
    states = output.hidden_states
    rows, half = torch.arange(len(batch), device=model.device), len(states) // 2
    return torch.cat([states[layer][rows, prompt_ends - 1].float() for layer in (half, -1)], dim=1)


def logprobs(model: PeftModel, batch: Sequence[Generation], dtype: torch.dtype) -> Tensor:
    """[B] log-probabilities of the answers."""
    ids, mask, prompt_ends = _padded(
        model, [g.prompt_ids + g.token_ids for g in batch], [g.prompt_ids for g in batch]
    )
    first = int(prompt_ends.min())
    kept = ids.shape[1] - first + 1
    with _autocast(model, dtype):
        logits = model(input_ids=ids, attention_mask=mask, logits_to_keep=kept).logits[:, :-1]
    scores = logits.float().log_softmax(-1)
    chosen = scores.gather(-1, ids[:, first:, None])[..., 0]
    places = torch.arange(first, ids.shape[1], device=model.device)[None]
    return (chosen * ((places >= prompt_ends[:, None]) & (mask[:, first:] > 0))).sum(-1)


def _batches(generations: Sequence[Generation]) -> list[Sequence[Generation]]:
    return [generations[at : at + PADDED_BATCH] for at in range(0, len(generations), PADDED_BATCH)]


def _autocast(model: PeftModel, dtype: torch.dtype) -> torch.autocast:
    return torch.autocast(model.device.type, dtype, enabled=dtype is not torch.float32)


def _padded(
    model: PeftModel, rows: list[tuple[int, ...]], prompts: list[tuple[int, ...]]
) -> tuple[Tensor, Tensor, Tensor]:
    """Token ids and mask [B, longest], and lengths of the prompts [B], on the model's device."""
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    lengths = torch.tensor([len(prompt) for prompt in prompts])
    return ids.to(model.device), mask.to(model.device), lengths.to(model.device)


def _measure(make: Callable[[Work], Callable[[], object]], work: Work, answer: Connection) -> None:
    keep_freed_memory()
    update = make(work)
    wall, cpu = time.perf_counter(), time.process_time()
    update()
    wait_for_device()
    seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    answer.send(Measured(seconds, cpu_seconds, peak))


def measured(make: Callable[[Work], Callable[[], object]], work: Work) -> Measured:
    """Measures one update in a fresh process."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_measure, args=(make, work, there))
    process.start()
    there.close()
    try:
        return here.recv()
    except EOFError:
        raise RuntimeError(f"{make.__name__} ended without an answer") from None
    finally:
        process.join()


def demonstrations(c: Configuration, model: ModelFolder, count: int) -> list[Episode]:
    """Episodes of the teacher at training games, with the prompts that the models would have been shown."""
    imitation = c.imitation.model_copy(update={"games": count})
    formats = Formats.of(load_tokenizer(model.path), c.planner, c.executor)
    lessons = training_lessons(imitation, formats, load(c.environment), c.run.seed)
    return [lesson.episode for lesson in lessons]


def run(argv: Sequence[str]) -> int:
    line, console = read(argv, "training", BenchmarkFlags, TRANSCRIPTS), Console()
    c = line.configuration
    outcome = Outcome("training", argv, line.flags)
    model = resolve_model(c.learner.model)
    work = Work(c, model, demonstrations(c, model, line.flags.episodes))
    with progress(console, "training") as report:
        report(0.0, "plain PEFT loop")
        slow = measured(plain, work)
        report(0.8, "the learner's update")
        fast = measured(ours, work)
    figure = Figure("time of an update, padded PEFT loop / learner", slow.seconds / fast.seconds, GOAL)
    outcome.show(_table(work, slow, fast), figures=[figure])
    return 0


def _table(work: Work, slow: Measured, fast: Measured) -> Table:
    turns = sum(len(episode.turns) for episode in work.episodes)
    prompts = work.configuration.executor.prompt_format
    title = (
        f"one update: {len(work.episodes)} episodes, {turns} turns, {work.tokens} tokens, prompts: {prompts}"
    )
    table = Table("", "seconds", "CPU seconds", "tokens/s", "peak memory", title=title)
    for name, m in (("plain PEFT, padded", slow), ("learner", fast)):
        table.add_row(
            name,
            f"{m.seconds:.1f}",
            f"{m.cpu_seconds:.1f}",
            f"{work.tokens / m.seconds:.0f}",
            f"{m.peak_bytes / 1e9:.1f} GB",
        )
    table.add_row(
        "ratio",
        f"{slow.seconds / fast.seconds:.2f}",
        f"{slow.cpu_seconds / fast.cpu_seconds:.2f}",
        f"{slow.seconds / fast.seconds:.2f}",
        f"{slow.peak_bytes / fast.peak_bytes:.2f}",
    )
    return table


if __name__ == "__main__":
    main(run)
