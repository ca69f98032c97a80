"""`bazel run //environments:play -- alfworld|webshop [--task ID]`: lets a person play in the terminal."""

from __future__ import annotations

import random
from collections.abc import Callable

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from environments import command
from environments.benchmark import Benchmark, StepInfo, TextEnvironment

HINT = "Type an action, or its number. `?` lists the actions, `quit` ends the game."


def main() -> int:
    options = command.parser("A person plays one task in the terminal.")
    command.add_benchmark(options)
    options.add_argument(
        "--task", default=None, help="task id; drawn from --split with --seed where it is left out"
    )
    options.add_argument("--split", default=None, help="split to draw from; the benchmark's first by default")
    arguments = options.parse_args()
    benchmark = command.chosen_benchmark(arguments)
    task_id = arguments.task or draw_task(benchmark, arguments.split or benchmark.splits[0], arguments.seed)
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
    command.end(main)
