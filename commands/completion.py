"""Shell completion: scripts with the names of the commands and the keys that each accepts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from commands.table import Command, Options, commands
from configuration import command as run_command
from configuration.keys import keys
from configuration.tree import Configuration
from core.errors import ConfigurationError
from environments import command as environment_command

_PLAYER = ("environment.", "planner.", "executor.")
"""Sections of what plays an episode."""


def script(arguments: Sequence[str]) -> str:
    """The script for a shell, to be sourced.

    Raises:
        ConfigurationError: the shell is not supported; the message lists those that are.
    """
    accepted = ", ".join(SHELLS)
    if len(arguments) != 1:
        raise ConfigurationError(f"--completion takes one shell: {accepted}")
    if arguments[0] not in SHELLS:
        raise ConfigurationError(
            f"--completion {arguments[0]}: there is no script for it; accepted: {accepted}"
        )
    return SHELLS[arguments[0]]()


def accepted_options() -> dict[Options, dict[str, str]]:
    """Names of options without dashes, each with its description."""
    tree = {key.name: key.help for key in keys(Configuration)}
    shorthands = {
        **{name: f"sets {', '.join(sets)}" for name, sets in run_command.SHORT_NAMES.items()},
        **{name: f"sets {key} = {value}" for name, (key, value) in run_command.SWITCHES.items()},
    }
    environment = {key.name: key.help for key in keys(environment_command.EnvironmentOnly)}
    short = {name: environment[sets] for name, (sets,) in environment_command.SHORT_NAMES.items()}
    player = {key: text for key, text in tree.items() if key.startswith(_PLAYER)}
    always = {"help": "everything that the command accepts"}
    config = {"config": "TOML file with keys of the configuration"}
    return {
        Options.RUN: {**always, **config, **shorthands, **tree},
        Options.ENVIRONMENT: {**always, **config, **short, **environment},
        Options.PLAYER: {**always, **config, **player},
        Options.OWN: always,
    }


def by_options() -> dict[Options, list[str]]:
    """Names of the commands, by the options that they accept."""
    found: dict[Options, list[str]] = {options: [] for options in Options}
    for name, command in commands().items():
        if isinstance(command, Command):
            found[command.options].append(name)
    return found


def _bash() -> str:
    accepted = accepted_options()
    cases = "\n".join(
        f"            {'|'.join(names)})\n                options={_quoted(_dashed(accepted[options]))} ;;"
        for options, names in by_options().items()
    )
    return f"""# Completion of hiper for bash: source <(hiper --completion bash)
_hiper() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" options="" IFS=$' \\t\\n'
    COMPREPLY=()
    if [[ "$COMP_CWORD" -eq 1 ]]; then
        options={_quoted(" ".join([*commands(), "--help", "--completion"]))}
    elif [[ "${{COMP_WORDS[1]}}" == --completion ]]; then
        options={_quoted(" ".join(SHELLS))}
    elif [[ "$word" == -* ]]; then
        case "${{COMP_WORDS[1]}}" in
{cases}
        esac
    fi
    COMPREPLY=($(compgen -W "$options" -- "$word"))
    return 0
}}
complete -o default -F _hiper hiper
"""


def _zsh() -> str:
    accepted = accepted_options()
    cases = "\n".join(
        f"        {'|'.join(names)}) options=(\n{_described(accepted[options], '--')}\n        ) ;;"
        for options, names in by_options().items()
    )
    return f"""#compdef hiper
# Completion of hiper for zsh: source <(hiper --completion zsh)
_hiper() {{
    local -a names options
    if (( CURRENT == 2 )); then
        names=(
{_described(_abouts())}
        )
        _describe command names
        return
    fi
    if [[ "$PREFIX" != -* ]]; then
        _files
        return
    fi
    case "$words[2]" in
{cases}
    esac
    _describe option options
}}
compdef _hiper hiper
"""


def _fish() -> str:
    lines = ["# Completion of hiper for fish: hiper --completion fish | source"]
    lines += [
        f"complete -c hiper -n __fish_use_subcommand -f -a {name} -d {_quoted(about)}"
        for name, about in _abouts().items()
    ]
    accepted = accepted_options()
    for options, names in by_options().items():
        condition = _quoted(f"__fish_seen_subcommand_from {' '.join(names)}")
        lines += [
            f"complete -c hiper -n {condition} -l {name} -d {_quoted(about)}"
            for name, about in accepted[options].items()
        ]
    return "\n".join(lines) + "\n"


SHELLS: Mapping[str, Callable[[], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
"""The functions that write the scripts, by shell."""


def _abouts() -> dict[str, str]:
    return {name: command.about for name, command in commands().items()}


def _dashed(options: Mapping[str, str]) -> str:
    return " ".join(f"--{name}" for name in options)


def _described(names: Mapping[str, str], dashes: str = "") -> str:
    """Entries of zsh's `_describe`: name and description, with a colon between them."""
    return "\n".join(f"            {_quoted(f'{dashes}{name}:{about}')}" for name, about in names.items())


def _quoted(text: str) -> str:
    """The text in single quotes, without characters that shells read differently there."""
    return "'" + text.replace("'", "’").replace("\\", "/") + "'"
