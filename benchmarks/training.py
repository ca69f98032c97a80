"""`bazel run //benchmarks:training`: compares an update with a plain PEFT loop over padded batches.

Both make one whole update (the critic's features, both policies, their reference if there is a KL term) from
the same episodes with the same base model in the same number format, one after the other, each in a fresh
process. The plain loop pads turns to the longest of their batch, computes the logits of all positions, and
computes shared prefixes again for every turn. It leaves out the regressions that make values of the features.
"""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

import torch
from peft import get_peft_model
from rich.console import Console
from rich.table import Table
from torch import Tensor
from transformers import AutoModelForCausalLM

from configuration.command import main, read
from configuration.learner import PpoSettings
from configuration.section import Section
from configuration.tree import Configuration
from core.freed_memory import keep_freed_memory
from environments.registry import load
from learner.imitation.demonstrations import Formats
from learner.imitation.teaching import training_lessons
from learner.update.policy import lora_config
from learner.update.trainer import Trainer, TrainerSettings
from serving.model import ModelFolder, compute_dtype, load_tokenizer, resolve_model
from trajectory.episode import Episode, Generation

PADDED_BATCH = 4
"""Number of sequences that the plain loop computes together; 8 take 3 GB more, and no less time."""


class BenchmarkFlags(Section):
    """Options of this command."""

    episodes: int = 4
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
    """An update by the trainer, with all importance weights accepted: demonstrations were not sampled."""
    c = work.configuration
    keep_freed_memory()
    ppo = c.ppo.model_copy(update={"importance_band": (0.0, float("inf"))})
    trainer = Trainer(TrainerSettings(c.learner, PpoSettings(**dict(ppo)), c.critic, c.lora), work.model, 0)
    return lambda: trainer.update(work.episodes, lambda *_: None)


def plain(work: Work, recompute: bool = False) -> Callable[[], object]:
    """An update with the same passes, written as in a tutorial.

    With `recompute`, log-probabilities before the update are computed in a pass of their own, as by verl.
    """
    torch.set_num_threads(work.configuration.learner.threads)
    base = AutoModelForCausalLM.from_pretrained(
        work.model.path, dtype=compute_dtype(work.configuration.learner.dtype)
    )
    config = lora_config(base, work.configuration.lora)
    model = get_peft_model(base, config, adapter_name="planner")
    model.add_adapter("executor", config)
    turns = [turn for episode in work.episodes for turn in episode.turns]
    planner, executor = [t.plan.generation for t in turns], [t.act.generation for t in turns]

    def features(batch: Sequence[Generation]) -> Tensor:
        ids, mask, prompt_ends = _padded([g.prompt_ids for g in batch], [g.prompt_ids for g in batch])
        states = model(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
        rows, half = torch.arange(len(batch)), len(states) // 2
        return torch.cat([states[layer][rows, prompt_ends - 1].float() for layer in (half, -1)], dim=1)

    def logprobs(batch: Sequence[Generation]) -> Tensor:
        ids, mask, prompt_ends = _padded(
            [g.prompt_ids + g.token_ids for g in batch], [g.prompt_ids for g in batch]
        )
        scores = model(input_ids=ids, attention_mask=mask).logits[:, :-1].float().log_softmax(-1)
        chosen = scores.gather(-1, ids[:, 1:, None])[..., 0]
        places = torch.arange(1, ids.shape[1])[None]
        return (chosen * ((places >= prompt_ends[:, None]) & (mask[:, 1:] > 0))).sum(-1)

    def step(adapter: str, batches: list[Sequence[Generation]], loss: Callable[..., Tensor]) -> None:
        model.set_adapter(adapter)
        chosen = [p for n, p in model.named_parameters() if f".{adapter}." in n]
        optimizer = torch.optim.AdamW(chosen, lr=1e-4)
        for batch in batches:
            loss(batch).backward()
        optimizer.step()

    def policy_loss(batch: Sequence[Generation]) -> Tensor:
        now = logprobs(batch)
        loss = -(now - now.detach()).exp().mean()
        if kl := work.configuration.ppo.kl_coefficient:
            with torch.no_grad(), model.disable_adapter():
                reference = logprobs(batch)
            loss = loss + kl * (now - reference).square().mean()
        return loss

    def update() -> None:
        for adapter, generations in (("planner", planner), ("executor", executor)):
            model.set_adapter(adapter)
            with torch.no_grad():
                for batch in _batches(generations):
                    features(batch)
                    if recompute:
                        logprobs(batch)
        step("planner", _batches(planner), policy_loss)
        step("executor", _batches(executor), policy_loss)

    return update


def _batches(generations: Sequence[Generation]) -> list[Sequence[Generation]]:
    return [generations[at : at + PADDED_BATCH] for at in range(0, len(generations), PADDED_BATCH)]


def _padded(rows: list[tuple[int, ...]], prompts: list[tuple[int, ...]]) -> tuple[Tensor, Tensor, Tensor]:
    """Token ids and mask [B, longest], and lengths of the prompts [B]."""
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return ids, mask, torch.tensor([len(prompt) for prompt in prompts])


def _measure(make: Callable[[Work], Callable[[], object]], work: Work, answer: Connection) -> None:
    update = make(work)
    wall, cpu = time.perf_counter(), time.process_time()
    update()
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


def run(argv: Sequence[str]) -> int:
    line = read(argv, "training", BenchmarkFlags)
    c = line.configuration
    model = resolve_model(c.learner.model)
    imitation = c.imitation.model_copy(update={"games": line.flags.episodes})
    formats = Formats.of(load_tokenizer(model.path), c.planner, c.executor)
    lessons = training_lessons(imitation, formats, load(c.environment), c.run.seed)
    work = Work(c, model, [lesson.episode for lesson in lessons])
    console = Console()
    with console.status("plain PEFT loop"):
        slow = measured(plain, work)
    with console.status("the learner's update"):
        fast = measured(ours, work)
    console.print(_table(work, slow, fast))
    return 0


def _table(work: Work, slow: Measured, fast: Measured) -> Table:
    turns = sum(len(episode.turns) for episode in work.episodes)
    title = f"one update: {len(work.episodes)} episodes, {turns} turns, {work.tokens} tokens"
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
