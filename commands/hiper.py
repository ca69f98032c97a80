"""`bazel run //:hiper -- COMMAND ...`: names all commands, and runs one of them in this process."""

from __future__ import annotations

import runpy
import shlex
import signal
import sys
from collections.abc import Sequence

from commands.table import GROUPS, Elsewhere, commands

USAGE = "usage: hiper COMMAND [--option value ...]"
ABOUT = (
    "HiPER trains two adapters of a language model, a planner and an executor, to act in text environments."
)
FOOTER = (
    "hiper COMMAND --help          everything that a command accepts",
    "hiper --completion SHELL      completion for bash, zsh or fish: source <(hiper --completion bash)",
    "exit codes                    0 done, 1 failed, 2 refused, 130 Ctrl-C (docs/exit_codes.md)",
)


def help_text() -> str:
    """The text of `--help`: every command with its description, by purpose."""
    width = max(len(name) for name in commands())
    lines = [USAGE, "", ABOUT]
    for group in GROUPS:
        lines += ["", f"{group.title}:"]
        for command in group.commands:
            where = f" (./bazelw run {command.label})" if isinstance(command, Elsewhere) else ""
            lines.append(f"  {command.name:<{width}}  {command.about}{where}")
    return "\n".join((*lines, "", *FOOTER))


def hiper(argv: Sequence[str]) -> int:
    """Runs the command that the first argument names; most exit on their own.

    Returns:
        Exit code: 0.

    Raises:
        ConfigurationError: the command does not exist, it needs Bazel, or a package that it needs is missing.
    """
    # These take half a second to import, which `--help` need not wait for.
    from configuration.keys import nearest
    from core import shown
    from core.errors import ConfigurationError

    name, *arguments = argv
    if name == "--completion":
        from commands.completion import script

        print(script(arguments), end="")
        return 0
    command = commands().get(name)
    if command is None:
        hint = nearest(name, list(commands()))
        raise ConfigurationError(f"unknown command {name!r}.{hint} `hiper --help` lists all of them")
    if isinstance(command, Elsewhere):
        there = f"./bazelw run {command.label}" + (f" -- {shlex.join(arguments)}" if arguments else "")
        raise ConfigurationError(f"`hiper {name}` runs only in a checkout of the repository: {there}")
    sys.argv = [command.module, *arguments]
    try:
        runpy.run_module(command.module, run_name="__main__", alter_sys=True)
    except ModuleNotFoundError as error:
        if not shown.installed():
            raise  # Bazel installs every package, so this is a mistake in a BUILD file.
        raise ConfigurationError(
            f"`hiper {name}` needs the package {error.name}, which is not installed: in a checkout, "
            "pip install '.[run]' installs what all commands need"
        ) from error
    return 0


def main() -> None:
    """Prints the help, or runs a command; exits with its code."""
    if len(sys.argv) < 2 or sys.argv[1] in ("--help", "-h"):
        # If `head` has read enough, this process ends without a message.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        print(help_text(), flush=True)
        sys.exit(0)
    from configuration.command import main as run

    run(hiper)


if __name__ == "__main__":
    main()
