"""`bazel run //environments:play -- alfworld|webshop [--task ID]`: lets a person play in the terminal."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from configuration.command import main as run
from configuration.command import parse
from configuration.section import Section
from environments import command
from environments.benchmark import Benchmark, StepInfo, TextEnvironment
from environments.registry import load

HINT = "Type an action, or its number. `?` lists the actions, `quit` ends the game."


class Flags(Section):
    """Options of this command alone."""

    task: str = ""
    """Task id; drawn from `--split` with `--seed` unless given."""
    split: str = ""
    """Split to draw from; the benchmark's first unless given."""


SYNTAX = command.syntax("play", "A person plays one task in the terminal.", Flags, (command.BENCHMARK,))


def main(argv: Sequence[str]) -> int:
    line = parse(argv, SYNTAX)
    settings, flags = line.configuration.environment, line.flags
    benchmark = load(settings)
    task_id = flags.task or draw_task(benchmark, flags.split or benchmark.splits[0], settings.seed)
    console = Console(highlight=False)
    won = play(benchmark.environment(), task_id, console, lambda: console.input("[bold]> [/bold]"))
    console.print("[green]You won.[/green]" if won else "[yellow]Not won.[/yellow]")
    return 0


def draw_task(benchmark: Benchmark, split: str, seed: int) -> str:
    return random.Random(seed).choice(benchmark.tasks(split)).id


def play(environment: TextEnvironment, task_id: str, console: Console, ask: Callable[[], str]) -> bool:
    """Plays until the episode or the input ends or the player quits; returns whether the task was won."""
    observation, info = environment.reset(options={"task": task_id})
    console.print(Panel(Text(f"{task_id}\n{HINT}"), title=info["task_type"]))
    console.print(Text(observation))
    over = False
    while not over:
        try:
            typed = ask()
        except (EOFError, KeyboardInterrupt):
            break
        if typed.strip() in ("quit", "exit"):
            break
        if typed.strip() == "?":
            console.print(
                Text("\n".join(f"{n:>3}  {a}" for n, a in enumerate(info["admissible_actions"], 1)))
            )
            continue
        observation, reward, terminated, truncated, info = environment.step(_action(typed, info))
        console.print(Text(observation))
        over = terminated or truncated
        if over:
            console.print(f"reward {reward:g}, score {info['score']:g}{', step limit reached' * truncated}")
    return info["won"]


def _action(typed: str, info: StepInfo) -> str:
    """The action that was typed, in words or by its number."""
    actions = info["admissible_actions"]
    if typed.strip().isdecimal() and 1 <= int(typed) <= len(actions):
        return actions[int(typed) - 1]
    return typed


if __name__ == "__main__":
    run(main)
