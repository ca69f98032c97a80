"""`bazel run //environments:check -- NAME`: plays an environment, and says what in it breaks the contract."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from configuration.command import main as run
from configuration.command import parse
from configuration.syntax import NoFlags
from environments import command
from environments.contract import Checked, check
from environments.registry import load

SYNTAX = command.syntax(
    "check",
    "Plays an environment against the contract of environments/benchmark.py, and says what is wrong.",
    NoFlags,
    (command.BENCHMARK,),
)


def main(argv: Sequence[str]) -> int:
    """Exit code 0 if every promise is kept, otherwise 1."""
    settings = parse(argv, SYNTAX).configuration.environment
    results = check(load(settings), settings.step_limit, settings.own_step_limits)
    console = Console()
    for result in results:
        _print(console, result)
    broken = sum(bool(result.problems) for result in results)
    console.print(
        f"{settings.title}: {len(results) - broken} of {len(results)} promises kept", soft_wrap=True
    )
    return 1 if broken else 0


def _print(console: Console, result: Checked) -> None:
    mark = "[red]broken[/]" if result.problems else "[green]kept  [/]"
    console.print(f"{mark}  {escape(result.promise)}", soft_wrap=True)
    for problem in result.problems[:10]:
        console.print(f"          {escape(problem)}", soft_wrap=True)
    if len(result.problems) > 10:
        console.print(f"          … and {len(result.problems) - 10} more")


if __name__ == "__main__":
    run(main)
