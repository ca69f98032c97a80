"""The command line of the environments' commands: the `environment` section as options."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from configuration.environment import EnvironmentSettings
from configuration.keys import keys
from configuration.section import Section
from configuration.syntax import Argument, FlagsT, Syntax
from core.errors import NotFoundError
from core.paths import user_path
from environments.registry import LOADERS, installed

_PREFIX = "environment."


class EnvironmentOnly(Section):
    """The only section of the configuration that these commands need."""

    environment: EnvironmentSettings = EnvironmentSettings()


SHORT_NAMES = {key.name.removeprefix(_PREFIX): (key.name,) for key in keys(EnvironmentOnly)}
"""Options without the name of the section, such as `--generator.games`, and the keys that they set."""

BENCHMARK = Argument(
    "BENCHMARK", f"{', '.join([*LOADERS, *installed()])}, or package.module:function", key="environment.name"
)
"""The plain argument of commands for any benchmark."""


def syntax(
    program: str,
    about: str,
    flags: type[FlagsT],
    arguments: tuple[Argument, ...] = (),
    short_names: Mapping[str, tuple[str, ...]] | None = None,
    switches: Mapping[str, tuple[str, str]] | None = None,
) -> Syntax[EnvironmentOnly, FlagsT]:
    """The syntax of such a command: every key of the section, and its own options.

    If a short name of a key is also a flag of the command, it means the flag.
    """
    own = {key.name.replace("_", "-") for key in keys(flags)}
    shared = {name: sets for name, sets in SHORT_NAMES.items() if name not in own}
    return Syntax(
        program, EnvironmentOnly, flags, about, {**shared, **(short_names or {})}, switches or {}, arguments
    )


def existing_file(text: str | Path) -> Path:
    """The path of a file, relative to where the command was typed.

    Raises:
        NotFoundError: the file does not exist.
    """
    path = user_path(text)
    if not path.is_file():
        raise NotFoundError(f"there is no file {path}")
    return path
