"""Command lines: a TOML file, overridden by `--section.key value`, and validated as one tree."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from configuration.files import read_toml
from configuration.keys import Key, keys, nearest
from configuration.section import Section
from configuration.tree import Configuration
from core.errors import ConfigurationError
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
}
"""Options without a section, and the keys that they set."""

_SWITCHES = {"no-warm-start": ("imitation.enabled", "false")}
_PATHS = ("run.dir", "environment.data", "planner.adapter", "executor.adapter")

FlagsT = TypeVar("FlagsT", bound=Section)


class NoFlags(Section):
    """For commands whose options are all in the configuration tree."""


@dataclass(frozen=True)
class CommandLine(Generic[FlagsT]):
    """A command line after parsing and validation."""

    configuration: Configuration
    flags: FlagsT
    """Options of this command alone, which are not saved with a run."""
    arguments: tuple[str, ...]
    """Arguments without a `--name`."""


def read(
    argv: Sequence[str],
    program: str,
    flags: type[FlagsT] = NoFlags,  # type: ignore[assignment]
    arguments: int = 0,
    base: dict[str, Any] | None = None,
) -> CommandLine[FlagsT]:
    """Parses and validates the arguments of a command.

    Args:
        argv: Arguments without the program's name: `--config FILE`, `--section.key value`,
            `--section.key=value`, short names, flags, plain arguments.
        program: Name of the command for `--help`, which prints every key and exits with 0.
        flags: Options of the command itself; a field `ready_file` is given as `--ready-file`.
        arguments: Number of plain arguments that are accepted, at most.
        base: The command's own defaults, as nested tables; they override those of the tree.

    Raises:
        ConfigurationError: an argument is wrong; the message names it and the nearest accepted one.
    """
    known = {key.name: key for key in keys(Configuration)}
    own = {key.name.replace("_", "-"): key for key in keys(flags)}
    if "--help" in argv or "-h" in argv:
        print(help_text(program, list(known.values()), own))
        sys.exit(0)
    tree: dict[str, Any] = copy.deepcopy(base or {})
    chosen: dict[str, str] = {}
    given: dict[str, str] = {}
    plain: list[str] = []
    for name, value in _options(argv, known, own, plain):
        if name == "config":
            tree = _merged(tree, read_toml(user_path(value)))
        elif name in own:
            chosen[own[name].name] = value
        else:
            for key, text in _expand(name, value):
                given[key] = text
    if len(plain) > arguments:
        raise ConfigurationError(
            f"unexpected argument {plain[arguments]!r}; options are written --section.key value"
        )
    for key, text in given.items():
        _place(tree, key, _value(known[key], text))
    return CommandLine(
        _checked(Configuration, tree, list(known)), _checked(flags, dict(chosen), list(own)), tuple(plain)
    )


def main(run: Callable[[Sequence[str]], int]) -> NoReturn:
    """Runs a command, and exits with its code; an error of the user gives one line and exit code 2."""
    try:
        code = run(sys.argv[1:])
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def help_text(program: str, known: list[Key], own: dict[str, Key]) -> str:
    """The text of `--help`, with one line per key: name, meaning, default."""
    lines = [f"usage: {program} [--config FILE.toml] [--section.key value ...]", ""]
    lines += [f"  --{name:<38} {key.help}" for name, key in own.items()]
    lines += [f"  --{name:<38} sets {', '.join(sets)}" for name, sets in SHORT_NAMES.items()]
    lines += [f"  --{name:<38} sets {key} = {value}" for name, (key, value) in _SWITCHES.items()]
    lines += ["", "keys of the configuration:"]
    lines += [f"  --{key.name:<38} {key.help} [{_shown(key.default)}]" for key in known]
    return "\n".join(lines)


def _options(
    argv: Sequence[str], known: dict[str, Key], own: dict[str, Key], plain: list[str]
) -> Iterator[tuple[str, str]]:
    """Pairs of option name and value; plain arguments are appended to `plain`."""
    names = ["config", *known, *own, *SHORT_NAMES, *_SWITCHES]
    words = iter(argv)
    for word in words:
        if not word.startswith("--"):
            plain.append(word)
            continue
        name, equals, value = word[2:].partition("=")
        if name not in names:
            raise ConfigurationError(
                f"unknown option --{name}.{_dashed(nearest(name, names))} --help lists all of them"
            )
        if not equals and _is_switch(name, known, own):
            value = "true"
        elif not equals:
            following = next(words, None)
            if following is None:
                raise ConfigurationError(f"--{name} needs a value")
            value = following
        yield name, value


def _is_switch(name: str, known: dict[str, Key], own: dict[str, Key]) -> bool:
    """Whether an option may be given without a value; only options without a section may."""
    if name in _SWITCHES:
        return True
    key = own.get(name) or known.get(SHORT_NAMES.get(name, ("",))[0])
    return key is not None and key.is_switch


def _expand(name: str, value: str) -> list[tuple[str, str]]:
    if name in _SWITCHES:
        return [_SWITCHES[name]]
    return [(key, value) for key in SHORT_NAMES.get(name, (name,))]


def _value(key: Key, text: str) -> Any:
    """The text as pydantic expects it: `none` for an optional value, commas between the items of a list."""
    if text.lower() == "none" and key.default is None:
        return None
    if isinstance(key.default, tuple):
        return [item.strip() for item in text.split(",") if item.strip()]
    if key.name in _PATHS:
        return str(user_path(text))
    return text


def _place(tree: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
    tree[last] = value


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


SectionT = TypeVar("SectionT", bound=BaseModel)


def _checked(section: type[SectionT], tree: dict[str, Any], names: list[str]) -> SectionT:
    try:
        return section.model_validate(tree)
    except ValidationError as error:
        raise ConfigurationError("\n".join(_explain(problem, names) for problem in error.errors())) from error


def _explain(problem: Any, names: list[str]) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"unknown key {key}.{nearest(key, names)}"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{key} = {problem['input']!r}: {message}" if key else message


def _dashed(hint: str) -> str:
    return hint.replace("mean ", "mean --")


def _shown(default: Any) -> str:
    if isinstance(default, tuple):
        return ",".join(str(item) for item in default) or "empty"
    return "not set" if default is None else str(default)
