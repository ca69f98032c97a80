"""`--dry-run`: prints the configuration, what is missing on this machine, and an estimate of the memory."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from configuration.files import to_toml
from configuration.tree import Configuration
from environments.errors import DataNotFoundError
from orchestrator.preflight.checks import check_inputs, check_settings, missing_model
from orchestrator.preflight.memory.report import MemoryReport, memory_report, render
from orchestrator.preflight.pools import Machine, lacking, memory_without_gpu, pools

WIDTH = 110
"""Columns of the table if the output is not a terminal."""


def dry_run(configuration: Configuration, gpu_gib: float, console: Console) -> int:
    """Prints everything that is known without loading a model or starting a server; returns the exit code, 0.

    The output is TOML that `--config` can read: everything except for the configuration is in comments.

    Args:
        configuration: Configuration of the run.
        gpu_gib: Memory of one GPU in GiB.
        console: Where to print.

    Raises:
        ConfigurationError: the configuration cannot work on any machine.
        BenchmarkError: the environment or the split is unknown, or data is broken.
    """
    machine = Machine.this()
    for line in summary(configuration, machine):
        _comment(console, line)
    console.print(to_toml(configuration), markup=False, highlight=False, soft_wrap=True)
    _comment(console, _table(memory_report(configuration, gpu_gib), console))
    if memory := memory_without_gpu(configuration, machine):
        _comment(console, str(memory))
    return 0


def summary(configuration: Configuration, machine: Machine) -> list[str]:
    """Lines that say what would be played and by which servers, then what is missing on this machine."""
    check_settings(configuration)
    missing = [missing_model(configuration.planner.model)]
    try:
        description = check_inputs(configuration).description
    except DataNotFoundError as error:
        episodes = configuration.learner.updates * configuration.learner.episodes_per_update
        environment, split = configuration.environment.title, configuration.orchestrator.split
        description = (
            f"{episodes} episodes of {environment}, split {split}, model {configuration.planner.model}"
        )
        missing.append(f"missing: {error}")
    missing += lacking(configuration, machine)
    return [description, *pools(configuration), *(line for line in missing if line)]


def _table(report: MemoryReport, console: Console) -> str:
    """The table as text, coloured if the console has colours."""
    terminal = console.is_terminal
    page = Console(
        file=StringIO(), width=console.width - 2 if terminal else WIDTH, force_terminal=terminal or None
    )
    with page.capture() as captured:
        page.print(render(report))
    return captured.get()


def _comment(console: Console, text: str) -> None:
    for line in text.splitlines():
        console.out(f"# {line}".rstrip(), highlight=False)
