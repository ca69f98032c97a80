"""The command line of `//deploy:ray`, and what is kept of it in the cluster."""

from __future__ import annotations

import sys
import tomllib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field

from configuration import command
from configuration.files import to_toml
from configuration.section import Section
from configuration.syntax import Argument, Syntax
from configuration.tree import Configuration
from core.errors import ConfigurationError
from core.paths import user_path

PROGRAM = "ray"
POOLS = ("learner", "planner", "executor", "orchestrator")
"""Kinds of process, which are also the values of the nodes' labels."""

Action = Literal["up", "scale", "drain", "status", "down"]
_EACH = "each"
_FIRST_PORT, _PORTS = 20_000, 10_000
"""Ports of learners: below those that Linux gives to outgoing connections."""
_STOP_MARGIN = 5.0


class RayFlags(Section):
    """Options of this command alone."""

    ray_address: str = "auto"
    """Address `host:port` of Ray's head; `auto` is the cluster that this machine belongs to."""
    namespace: str = "hiper"
    """Name of the deployment; another one is needed for a second run in the same cluster."""
    label: str = "hiper-pool"
    """Label of nodes whose value is the pool that they belong to; empty to use any node for any pool."""
    place_seconds: float = Field(60.0, gt=0)
    """Seconds in which every process must be placed on a node."""
    drain_seconds: float = Field(60.0, ge=0)
    """Seconds that the episodes of a drained server have to end or move; then it is stopped all the same."""
    orchestrators: str = "1"
    """Number of orchestrators, or `each` for one on each node that is labelled for them."""
    planner_cpus: float = Field(1.0, ge=0)
    """CPU cores of each planner."""
    planner_gpus: float = Field(0.0, ge=0)
    """GPUs of each planner; less than 1 shares one with others."""
    executor_cpus: float = Field(1.0, ge=0)
    """CPU cores of each executor."""
    executor_gpus: float = Field(0.0, ge=0)
    """GPUs of each executor; less than 1 shares one with others."""
    learner_cpus: float = Field(1.0, ge=0)
    """CPU cores of each rank of the learner."""
    learner_gpus: float = Field(0.0, ge=0)
    """GPUs of each rank of the learner."""
    orchestrator_cpus: float = Field(1.0, ge=0)
    """CPU cores of each orchestrator."""


class Resources(Section):
    """Resources of a process."""

    cpus: float
    gpus: float = 0.0


class Deployment(Section):
    """A run's deployment, as the cluster keeps it: everything that does not change when a pool is scaled."""

    configuration: str
    """Configuration of the run, as TOML."""
    run_dir: str
    """Folder of the run, which must be shared by all nodes on which the learner may be placed."""
    label: str
    """Label of nodes that names their pool; empty for none."""
    resources: Mapping[str, Resources]
    """Resources of a process, by pool; the learner's are those of all its ranks together."""
    ranks: int
    """Number of the learner's ranks."""
    learner_port: int
    """Port on which the learner listens, the same after each restart."""
    path: Sequence[str]
    """Folders in which the processes look for Python modules."""

    @property
    def settings(self) -> Configuration:
        """The configuration as values."""
        return Configuration.model_validate(tomllib.loads(self.configuration))

    @property
    def stop_seconds(self) -> float:
        """Time that a process gets to end, a little more than it gives its running calls."""
        sections = (self.settings.planner, self.settings.executor, self.settings.learner)
        return max(section.drain_seconds for section in sections) + _STOP_MARGIN

    def labels(self, pool: str) -> dict[str, str]:
        """Labels that the nodes of a pool must have."""
        return {self.label: pool} if self.label else {}


@dataclass(frozen=True)
class Request:
    """A parsed command line."""

    action: Action
    argument: str
    """Plain argument after the action, empty if there is none."""
    flags: RayFlags
    configuration: Configuration

    def counts(self, orchestrator_nodes: int) -> dict[str, int]:
        """Number of processes of each pool that `up` starts; `each` means `orchestrator_nodes`."""
        text = self.flags.orchestrators
        if text != _EACH and not text.isdigit():
            raise ConfigurationError(f"--orchestrators {text}: a number is accepted, or {_EACH}")
        return {
            "learner": 1,
            "planner": self.configuration.planner.replicas,
            "executor": self.configuration.executor.replicas,
            "orchestrator": orchestrator_nodes if text == _EACH else int(text),
        }

    @property
    def one_orchestrator_a_node(self) -> bool:
        return self.flags.orchestrators == _EACH

    def deployment(self) -> Deployment:
        """What `up` keeps in the cluster.

        Raises:
            ConfigurationError: the run has no folder.
        """
        folder = self.configuration.run.dir
        if folder is None:
            raise ConfigurationError("up needs --run-dir DIR, a folder that the learner's nodes share")
        flags, learner = self.flags, self.configuration.learner
        return Deployment(
            configuration=to_toml(self.configuration),
            run_dir=str(user_path(folder)),
            label=flags.label,
            resources={
                "planner": Resources(cpus=flags.planner_cpus, gpus=flags.planner_gpus),
                "executor": Resources(cpus=flags.executor_cpus, gpus=flags.executor_gpus),
                "learner": Resources(
                    cpus=learner.ranks * flags.learner_cpus, gpus=learner.ranks * flags.learner_gpus
                ),
                "orchestrator": Resources(cpus=flags.orchestrator_cpus),
            },
            ranks=learner.ranks,
            learner_port=_port(learner.listen, flags.namespace),
            path=[str(Path(entry).resolve()) for entry in sys.path if entry],
        )


def _port(listen: str, namespace: str) -> int:
    """The port that `learner.listen` names; otherwise one that depends only on the namespace."""
    named = int(listen.rpartition(":")[2] or 0)
    return named or _FIRST_PORT + zlib.crc32(namespace.encode()) % _PORTS


def parse(argv: Sequence[str]) -> Request:
    """Parses the command line.

    Raises:
        ConfigurationError: an argument is wrong; the message names it and what is accepted.
    """
    syntax = Syntax(
        PROGRAM,
        Configuration,
        RayFlags,
        about="Runs the learner, pools of planners and executors, and orchestrators on a Ray cluster.",
        short_names=command.SHORT_NAMES,
        switches=command.SWITCHES,
        arguments=(
            Argument("ACTION", "up, scale, drain, status or down"),
            Argument("WHAT", "for scale POOL=COUNT[,POOL=COUNT], for drain the NAME", required=False),
        ),
    )
    line = command.parse(argv, syntax)
    action, argument = line.arguments[0], "".join(line.arguments[1:])
    if action not in get_args(Action):
        raise ConfigurationError(f"{action} is not an action: {', '.join(get_args(Action))} are")
    if bool(argument) != (action in ("scale", "drain")):
        raise ConfigurationError(
            f"usage: {PROGRAM} scale executor=12, {PROGRAM} drain NAME, and up, status or down alone"
        )
    return Request(action, argument, line.flags, line.configuration)  # type: ignore[arg-type]


def scaled(argument: str) -> dict[str, int]:
    """The counts of an argument such as `planner=4,executor=12`.

    Raises:
        ConfigurationError: it is written in another way, or names the learner, of which there is one.
    """
    counts = {}
    for part in argument.split(","):
        pool, equals, count = part.partition("=")
        if pool not in POOLS or pool == "learner" or not equals or not count.isdigit():
            raise ConfigurationError(
                f"scale {part}: POOL=COUNT is accepted, with planner, executor or orchestrator, "
                f"such as executor=12"
            )
        counts[pool] = int(count)
    return counts
