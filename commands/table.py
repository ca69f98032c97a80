"""All commands by what one wants to do; their descriptions are the docstrings of their modules.

To add a command: write its line here, add its target to the dependencies of `hiper` in commands/BUILD (marked
`# keep`), and run `//tests/commands:table_test`, which finds what is missing.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class Options(Enum):
    """The keys of the configuration that a command accepts as options."""

    RUN = "run"
    """All of them, such as `--learner.updates`."""
    ENVIRONMENT = "environment"
    """Those of the environment, also without its name: `--generator.games`."""
    PLAYER = "player"
    """Those of the environment and of both model servers, such as `--planner.model`."""
    OWN = "own"
    """No keys of the configuration; the command has only its own options."""


@dataclass(frozen=True)
class Command:
    """A command that `hiper` runs in its own process."""

    name: str
    """Name after `hiper`."""
    label: str
    """Bazel's label of the same command."""
    options: Options = Options.RUN

    @property
    def module(self) -> str:
        """Module whose main is the command: `orchestrator.rollout` for `//orchestrator:rollout`."""
        return self.label.removeprefix("//").replace("/", ".").replace(":", ".")

    @property
    def about(self) -> str:
        """First line of the module's docstring, without the command line that may begin it.

        The file is parsed, not imported: that would load PyTorch for many commands.
        """
        path = _source(self.module)
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        text = re.sub(r"^`[^`]*`: ", "", docstring.partition("\n")[0]).rstrip(".:")
        return text[:1].lower() + text[1:] if text[1:2].islower() else text


@dataclass(frozen=True)
class Elsewhere:
    """A command that needs a checkout and Bazel."""

    name: str
    label: str
    about: str
    """What it does, in one line."""


@dataclass(frozen=True)
class Group:
    """Commands for one purpose."""

    title: str
    """What one wants to do."""
    commands: tuple[Command | Elsewhere, ...]


_RUN, _ENVIRONMENT, _OWN = Options.RUN, Options.ENVIRONMENT, Options.OWN

GROUPS = (
    Group(
        "play",
        (
            Command("doctor", "//environments:doctor", _ENVIRONMENT),
            Command("play", "//environments:play", _ENVIRONMENT),
            Command("players", "//environments:evaluate", _ENVIRONMENT),
            Command("check", "//environments:check", _ENVIRONMENT),
            Command("generate", "//environments:generate", _ENVIRONMENT),
        ),
    ),
    Group(
        "train",
        (
            Command("rollout", "//orchestrator:rollout"),
            Command("train", "//orchestrator:train"),
        ),
    ),
    Group(
        "look at a run",
        (
            Command("show", "//orchestrator:show", _OWN),
            Command("report", "//orchestrator:report_run", _OWN),
            Command("watch", "//orchestrator:watch", _OWN),
            Command("replay", "//orchestrator:replay", Options.PLAYER),
            Command("export", "//orchestrator:export", _OWN),
        ),
    ),
    Group(
        "compare",
        (
            Command("evaluate", "//orchestrator:evaluate"),
            Command("nano-curves", "//studies:nano_curves"),
            Command("theory", "//studies:theory", _OWN),
        ),
    ),
    Group(
        "deploy",
        (
            Command("planner", "//planner:server"),
            Command("executor", "//executor:server"),
            Command("learner", "//learner:server"),
            Command("serve", "//orchestrator:serve"),
            Command("pool", "//orchestrator:pool"),
            Command("push", "//orchestrator:push"),
            Command("ray", "//deploy/ray:command"),
            Command("drain", "//deploy/pods:drain", _OWN),
            Command("health", "//deploy/pods:health", _OWN),
        ),
    ),
    Group(
        "teach",
        (
            Command("imitate", "//learner:imitate"),
            Command("nano-base", "//studies:nano_base"),
        ),
    ),
    Group(
        "understand the advantages",
        (
            Command("hae-loop", "//hae:example_loop", _OWN),
            Command("hae-example", "//studies:hae_example", _OWN),
            Command("hae-conformance", "//studies:hae_conformance", _OWN),
        ),
    ),
    Group(
        "check the environments against the originals",
        (
            Command("conformance", "//environments:conformance", _ENVIRONMENT),
            Command("differential", "//environments:differential", _ENVIRONMENT),
            Command("webshop-baselines", "//environments/webshop:baselines", _ENVIRONMENT),
        ),
    ),
    Group(
        "benchmark",
        (
            Command("benchmark-speed", "//benchmarks:speed", _OWN),
            Command("benchmark-rollout", "//benchmarks:rollout"),
            Command("benchmark-training", "//benchmarks:training"),
            Command("benchmark-iteration", "//benchmarks:iteration"),
            Command("benchmark-engine", "//benchmarks:engine", _OWN),
            Command("benchmark-push", "//benchmarks:push"),
            Command("benchmark-pools", "//benchmarks:pools", _OWN),
            Command("benchmark-environments", "//benchmarks:environments", _ENVIRONMENT),
            Command("benchmark-critic", "//benchmarks:critic"),
            Command("benchmark-agreement", "//benchmarks:agreement"),
            Command("benchmark-attention", "//benchmarks:attention", _OWN),
            Command("benchmark-hae", "//benchmarks:hae", _OWN),
            Command("benchmark-run-folder", "//benchmarks:run_folder", _OWN),
        ),
    ),
    Group(
        "prepare data",
        (
            Command("webshop-nouns", "//environments/webshop:nouns", _ENVIRONMENT),
            Command("webshop-likelihood", "//environments/webshop:fit_likelihood", _ENVIRONMENT),
            Command("alfworld-placements", "//environments/alfworld:count_placements", _ENVIRONMENT),
        ),
    ),
    Group(
        "drill",
        (Elsewhere("drills", "//tests/drills:all", "breaks servers, disks, networks and clocks"),),
    ),
    Group(
        "work on the code",
        (
            Elsewhere("site", "//docs:site", "builds the documentation as a site"),
            Elsewhere("build-files", "//tools:build_files", "writes the BUILD files from the imports"),
            Elsewhere("lock", "//tools:lock", "resolves the Python packages into lock files"),
            Elsewhere("draw-layout", "//tools:draw_layout", "draws docs/architecture.svg"),
        ),
    ),
)
"""All commands, in the order of `hiper --help`."""


def commands() -> dict[str, Command | Elsewhere]:
    """All commands by name."""
    return {command.name: command for group in GROUPS for command in group.commands}


def _source(module: str) -> Path:
    file = Path(*module.split(".")).with_suffix(".py")
    return next(path for entry in sys.path if (path := Path(entry, file)).is_file())
