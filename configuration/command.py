"""Command lines: a TOML file, overridden by `--section.key value`, and validated as one tree; exit codes."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NoReturn

from pydantic import ValidationError

from configuration.files import chosen_file, read_toml
from configuration.keys import Key
from configuration.mistakes import explanation
from configuration.run import RunSettings
from configuration.section import Section
from configuration.syntax import FlagsT, Given, NoFlags, Syntax, TreeT
from configuration.tree import Configuration
from configuration.vllm_options import text_as_option
from core import exit_codes
from core.errors import ConfigurationError, HiperError
from core.paths import user_path

SHORT_NAMES: dict[str, tuple[str, ...]] = {
    "run-dir": ("run.dir",),
    "resume": ("run.resume",),
    "seed": ("run.seed",),
    "model": ("planner.model", "executor.model", "learner.model"),
    "engine": ("planner.engine", "executor.engine"),
    "data": ("environment.data",),
    "split": ("orchestrator.split",),
    "estimator": ("estimator.estimator",),
    "group-size": ("learner.group_size",),
    "max-lag": ("learner.max_lag",),
    "tensorboard": ("run.tensorboard",),
    "wandb": ("run.wandb",),
    "trackio": ("run.trackio",),
    "trace": ("run.trace",),
}
"""Options without a section, and the keys that they set."""

SWITCHES = {
    "no-warm-start": ("imitation.enabled", "false"),
    "no-hierarchy": ("planner.hierarchy", "false"),
}
"""Options without a value, and the key and value that each sets."""


@dataclass(frozen=True)
class CommandLine(Generic[TreeT, FlagsT]):
    """A command line after parsing and validation."""

    configuration: TreeT
    flags: FlagsT
    """Options of this command alone, which are not saved with a run."""
    arguments: tuple[str, ...]
    """Arguments without a `--name`, except those that set a key."""


def read(
    argv: Sequence[str],
    program: str,
    flags: type[FlagsT] = NoFlags,  # type: ignore[assignment]
    base: Mapping[str, Any] | None = None,
) -> CommandLine[Configuration, FlagsT]:
    """Parses and validates the arguments of a command that needs the whole configuration.

    Args:
        argv: Arguments without the program's name: `--config FILE`, `--section.key value`,
            `--section.key=value`, short names, flags.
        program: Name of the command for `--help`, which prints every key and exits with 0.
        flags: Options of the command itself; a field `ready_file` is given as `--ready-file`.
        base: The command's own defaults, as nested tables; they override those of the tree.

    Raises:
        ConfigurationError: an argument is wrong; the message names it and the nearest accepted one.
    """
    return parse(argv, _syntax(program, flags), base)


def read_run(
    argv: Sequence[str], program: str, flags: type[FlagsT], base: Mapping[str, Any] | None = None
) -> RunSettings:
    """The `run` section alone of what `read` reads.

    The other sections are not validated: those of a run that is resumed are only complete with what is saved
    in its folder.
    """
    syntax = _syntax(program, flags)
    _help_if_asked(argv, syntax)
    tree = _tree(syntax.parsed(argv), syntax, base)
    return _checked(_RunSection, {"run": tree.get("run", {})}, list(syntax.keys)).run


class _RunSection(Section):
    run: RunSettings = RunSettings()


def given_options(argv: Sequence[str], program: str, flags: type[FlagsT]) -> Given:
    """The options of what `read` reads, as they were given: short names as the keys that they set."""
    return _syntax(program, flags).parsed(argv)


def _syntax(program: str, flags: type[FlagsT]) -> Syntax[Configuration, FlagsT]:
    return Syntax(program, Configuration, flags, short_names=SHORT_NAMES, switches=SWITCHES)


def parse(
    argv: Sequence[str], syntax: Syntax[TreeT, FlagsT], base: Mapping[str, Any] | None = None
) -> CommandLine[TreeT, FlagsT]:
    """Parses and validates the arguments of a command, without the program's name.

    `--help` prints everything that is accepted and exits with 0. Sections of the file of `--config` that the
    command does not need are ignored: the saved configuration of a run has all of them.

    Raises:
        ConfigurationError: an argument is wrong; the message names it and the nearest accepted one.
    """
    _help_if_asked(argv, syntax)
    given = syntax.parsed(argv)
    tree = _tree(given, syntax, base)
    own = {key.name: key for key in syntax.own.values()}
    flags = {name: _value(own[name], text) for name, text in given.flags.items()}
    return CommandLine(
        _checked(syntax.tree, tree, list(syntax.keys)),
        _checked(syntax.flags, flags, list(syntax.own), dashes="--"),
        given.arguments,
    )


def _help_if_asked(argv: Sequence[str], syntax: Syntax[Any, Any]) -> None:
    if "--help" in argv or "-h" in argv:
        print(syntax.help(), flush=True)
        sys.exit(0)


def _tree(given: Given, syntax: Syntax[Any, Any], base: Mapping[str, Any] | None) -> dict[str, Any]:
    """The tables of the command's defaults, the file and the options, each overriding the ones before."""
    tree = _merged({}, base or {})
    if given.file is not None:
        tree = _merged(tree, _of_interest(read_toml(chosen_file(given.file)), syntax))
    for name, text in given.keys.items():
        key = syntax.keys.get(name)
        # What is not a key is an entry of a table.
        _place(tree, name, text_as_option(text) if key is None else _value(key, text))
    return tree


def main(run: Callable[[Sequence[str]], int]) -> NoReturn:
    """Runs a command, and exits with its code; an error is printed with its notes, and decides the code."""
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except HiperError as error:
        _say(f"error: {error}", error)
        code = exit_codes.of_error(error)
    except exit_codes.Interrupted as interruption:
        _say(str(interruption), interruption)
        code = interruption.exit_code
    except KeyboardInterrupt:
        code = exit_codes.of_signal(signal.SIGINT)
    except BrokenPipeError:
        if not _output_is_closed():
            raise
        code = exit_codes.of_signal(signal.SIGPIPE)
    sys.exit(code)


def _output_is_closed() -> bool:
    """Whether nobody reads the output any more, as behind `| head`; drops what is still to print."""
    output, watch = sys.stdout.fileno(), select.poll()
    watch.register(output, 0)
    closed = any(event & select.POLLERR for _, event in watch.poll(0))
    if closed:
        os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    return closed


def _say(text: str, error: Exception) -> None:
    print("\n".join((text, *getattr(error, "__notes__", ()))), file=sys.stderr)


def _of_interest(file: dict[str, Any], syntax: Syntax[Any, Any]) -> dict[str, Any]:
    foreign = Configuration.model_fields.keys() - syntax.tree.model_fields.keys()
    return {section: content for section, content in file.items() if section not in foreign}


def _value(key: Key, text: str) -> Any:
    """The text as pydantic expects it: `none` for an optional value or an empty table, commas between the
    items of a list."""
    if key.is_table:
        return {} if text.lower() == "none" else text_as_option(text)
    if text.lower() == "none" and key.default is None:
        return None
    if isinstance(key.default, tuple):
        items = [item.strip() for item in text.split(",") if item.strip()]
        return [str(user_path(item)) for item in items] if key.is_path else items
    return str(user_path(text)) if key.is_path and text else text


def _place(tree: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise ConfigurationError(f"{section} = {tree!r} in the configuration file: a section is needed")
    tree[last] = value


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both tables in one. Each of its tables is new, also where two sections of `over` share one."""
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = (
            _merged(below if isinstance(below, dict) else {}, value) if isinstance(value, dict) else value
        )
    return merged


def _checked(section: type[TreeT], tree: dict[str, Any], names: list[str], dashes: str = "") -> TreeT:
    try:
        return section.model_validate(tree)
    except ValidationError as error:
        lines = [explanation(problem, names, dashes) for problem in error.errors()]
        raise ConfigurationError("\n".join(lines)) from error
