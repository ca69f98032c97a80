"""The syntax of a command line: sections, flags, short names, and plain arguments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

from configuration.keys import Key, keys, nearest
from configuration.section import Section
from core.errors import ConfigurationError

TreeT = TypeVar("TreeT", bound=Section)
FlagsT = TypeVar("FlagsT", bound=Section)

_OPTION = re.compile(r"-(?!\d|\.\d|$)")
"""Beginning of an option; a negative number and a single dash are values."""
_LISTED = 4
"""Largest number of a section's keys that a message lists."""


class NoSections(Section):
    """For commands that need nothing of the configuration."""


class NoFlags(Section):
    """For commands whose options are all in the configuration."""


@dataclass(frozen=True)
class Argument:
    """A plain argument: one without a `--name` before it."""

    name: str
    """Name in messages, such as `RUN_DIR`."""
    help: str
    key: str | None = None
    """Key of the configuration that it sets, if any."""
    required: bool = True
    """Whether it must be given; if it sets a key, the option of that key may be given instead."""


@dataclass(frozen=True)
class Given:
    """A command line after parsing; only names are validated yet."""

    file: str | None
    """Value of `--config`, the last one."""
    keys: Mapping[str, str]
    """Values by key of the configuration."""
    flags: Mapping[str, str]
    """Values by field of the flags."""
    arguments: tuple[str, ...]
    """Plain arguments, except those that set a key."""


@dataclass(frozen=True)
class Syntax(Generic[TreeT, FlagsT]):
    """Everything that one command accepts. In the names of options, `-` and `_` are the same."""

    program: str
    """Name of the command, for `--help`."""
    tree: type[TreeT]
    """Sections of the configuration; each of their keys is an option `--section.key`."""
    flags: type[FlagsT]
    """Options of the command itself; a field `ready_file` is given as `--ready-file`."""
    about: str = ""
    """What the command does, for `--help`."""
    short_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Options without a section, and the keys that each sets."""
    switches: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Options without a value, and the key and value that each sets."""
    arguments: tuple[Argument, ...] = ()
    """Plain arguments in their order; optional ones last."""

    @cached_property
    def keys(self) -> dict[str, Key]:
        """Keys of the sections, by dotted name."""
        return {key.name: key for key in keys(self.tree)}

    @cached_property
    def tables(self) -> tuple[str, ...]:
        """Keys whose values are tables, so that `--key.name` is an option whatever the name."""
        return tuple(name for name, key in self.keys.items() if key.is_table)

    @cached_property
    def own(self) -> dict[str, Key]:
        """Keys of the flags, by the name of the option; a field `with_` is given as `--with`."""
        return {key.name.rstrip("_").replace("_", "-"): key for key in keys(self.flags)}

    @property
    def usage(self) -> str:
        """A line with the order of the arguments."""
        plain = "".join(f" {one.name}" if one.required else f" [{one.name}]" for one in self.arguments)
        config = " [--config FILE.toml] [--section.key value ...]" if self.keys else ""
        flags = " [--option value ...]" if self.own and not self.keys else ""
        return f"usage: {self.program}{plain}{config}{flags}"

    def help(self) -> str:
        """The text of `--help`, with one line per option: name, meaning, default."""
        own = [f"  --{name:<38} {key.help} [{_shown(key.default)}]" for name, key in self.own.items()]
        short = [
            f"  --{name:<38} sets {', '.join(sets)}"
            for name, sets in self.short_names.items()
            if name not in self.own
        ]
        switches = [f"  --{name:<38} sets {key} = {value}" for name, (key, value) in self.switches.items()]
        tree = [f"  --{key.name:<38} {key.help} [{_shown(key.default)}]" for key in self.keys.values()]
        parts = [
            [self.usage],
            [self.about] if self.about else [],
            [f"  {one.name:<40} {one.help}" for one in self.arguments],
            own + short + switches,
            ["keys of the configuration:", *tree] if tree else [],
        ]
        return "\n\n".join("\n".join(part) for part in parts if part)

    def parsed(self, words: Sequence[str]) -> Given:
        """Parses a command line; values are not validated yet.

        Raises:
            ConfigurationError: an option is unknown or lacks its value, or a plain argument is missing or one
                too many.
        """
        file: str | None = None
        given: dict[str, str] = {}
        flags: dict[str, str] = {}
        plain: list[str] = []
        for name, value in self._options(words, plain):
            if name == "config":
                file = value
            elif name in self.own:
                flags[self.own[name].name] = value
            elif name in self.switches:
                key, value = self.switches[name]
                given[key] = value
            else:
                given.update(dict.fromkeys(self.short_names.get(name, (name,)), value))
        return Given(file, given, flags, self._assign(plain, given))

    def _options(self, words: Sequence[str], plain: list[str]) -> Iterator[tuple[str, str]]:
        """Pairs of option name and value; plain arguments are appended to `plain`."""
        config = ("config",) if self.keys else ()
        names = [*config, *self.keys, *self.own, *self.short_names, *self.switches]
        spelled = {name.replace("-", "_"): name for name in names}
        rest = iter(words)
        for word in rest:
            if not _OPTION.match(word):
                plain.append(word)
                continue
            name, equals, value = word.removeprefix("--").partition("=")
            known = spelled.get(name.replace("-", "_")) or self._in_a_table(name)
            if known is None:
                raise ConfigurationError(
                    f"{_unknown(word.partition('=')[0], names)} --help lists all options"
                )
            name = known
            if not equals and self._stands_alone(name):
                value = "true"
            elif not equals:
                following = next(rest, None)
                if following is None:
                    raise ConfigurationError(f"--{name} needs a value{self._meaning(name)}")
                value = following
            yield name, value

    def _meaning(self, name: str) -> str:
        """The help of an option, with its default, to be put behind a message."""
        if name == "config":
            return ", a TOML file"
        key = self.own.get(name) or self.keys.get(self.short_names.get(name, (name,))[0])
        return f": {key.help} [{_shown(key.default)}]" if key is not None else ""

    def _in_a_table(self, name: str) -> str | None:
        """The key of an option that is a table's entry, or an entry of its entry; None for other options."""
        parts = name.split(".")
        for table in self.tables:
            size = table.count(".") + 1
            own = [part.replace("-", "_") for part in parts[: size + 1]]
            if len(parts) > size and ".".join(own[:size]) == table and all(parts):
                # Names below the entry may have dashes.
                return ".".join([*own, *parts[size + 1 :]])
        return None

    def _stands_alone(self, name: str) -> bool:
        """Whether an option may be given without a value, which then is true.

        Only options without a section may, and none that is true by default: it is given to make it false.
        """
        if name in self.switches:
            return True
        key = self.own.get(name) or self.keys.get(self.short_names.get(name, ("",))[0])
        return key is not None and key.is_switch and key.default is False

    def _assign(self, plain: Sequence[str], given: dict[str, str]) -> tuple[str, ...]:
        """Puts plain arguments that set a key into `given`; returns the others."""
        words = iter(plain)
        others = []
        for argument in self.arguments:
            if argument.key is not None and argument.key in given:
                continue
            word = next(words, None)
            if word is None and argument.required:
                raise ConfigurationError(f"{argument.name} is missing: {argument.help}. {self.usage}")
            if word is not None and argument.key is not None:
                given[argument.key] = word
            elif word is not None:
                others.append(word)
        if (extra := next(words, None)) is not None:
            raise ConfigurationError(
                f"unexpected argument {extra!r}; options are written --name value, the items of a list with "
                f"commas between them. {self.usage}"
            )
        return tuple(others)


def _unknown(option: str, names: list[str]) -> str:
    """What is wrong with an option that is none of `names`, and which of them may be meant."""
    name = option.removeprefix("--")
    inside = [f"--{each}" for each in names if each.startswith(f"{name.replace('-', '_')}.")]
    if inside:
        rest = ", …" if len(inside) > _LISTED else ""
        return f"{option} is a section; accepted are its keys: {', '.join(inside[:_LISTED])}{rest}."
    return f"unknown option {option}.{nearest(name, names).replace('mean ', 'mean --')}"


def _shown(default: Any) -> str:
    if isinstance(default, tuple):
        return ",".join(str(item) for item in default) or "empty"
    if default == {}:
        return "empty"
    return "not set" if default is None or default == "" else str(default)
