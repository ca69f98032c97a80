"""The model servers that a run starts: their names, and the options in which they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from configuration.servers import ModelServerSettings
from core.errors import ConfigurationError
from core.role import Role


@dataclass(frozen=True)
class ReplicaPlan:
    """A model server to be started."""

    name: str
    """Name for messages and files: `planner`, or `planner-0` if there are several."""
    overrides: Mapping[str, str]
    """Keys of the configuration that this server has of its own."""


def replica_plans(role: Role, settings: ModelServerSettings) -> tuple[ReplicaPlan, ...]:
    """The servers of a role that are to be started: none if the configuration has addresses of some.

    Raises:
        ConfigurationError: several servers would listen on one port.
    """
    if settings.addresses:
        return ()
    count = settings.replicas
    _check_ports(role, settings)
    shares = gpu_shares(settings.gpus, count)
    return tuple(
        ReplicaPlan(
            server_name(role, number, count),
            {f"{role.value}.gpus": ",".join(map(str, share))} if share else {},
        )
        for number, share in enumerate(shares)
    )


def server_name(role: Role, number: int, replicas: int) -> str:
    """The name of the server with this number among `replicas` of its role."""
    return role.value if replicas == 1 else f"{role.value}-{number}"


def gpu_shares(gpus: Sequence[int], replicas: int) -> tuple[tuple[int, ...], ...]:
    """The GPUs of each replica: its part of them, or one that it shares if there are fewer than replicas."""
    count = len(gpus)
    if not count:
        return ((),) * replicas
    if count < replicas:
        return tuple((gpus[number % count],) for number in range(replicas))
    return tuple(
        tuple(gpus[number * count // replicas : (number + 1) * count // replicas])
        for number in range(replicas)
    )


def _check_ports(role: Role, settings: ModelServerSettings) -> None:
    if settings.replicas == 1:
        return
    name = role.value
    if not settings.listen.endswith(":0"):
        raise ConfigurationError(
            f"{name}.listen = {settings.listen!r}: {name}.replicas = {settings.replicas} servers cannot "
            f"share a port; port 0 gives each a free one"
        )
    if settings.metrics_port:
        raise ConfigurationError(
            f"{name}.metrics_port = {settings.metrics_port}: {name}.replicas = {settings.replicas} servers "
            "cannot share a port; 0 gives each a free one, which its file in the run's folder services/ names"
        )
    if settings.advertise is not None:
        raise ConfigurationError(
            f"{name}.advertise = {settings.advertise!r} is the address of one server, not of "
            f"{name}.replicas = {settings.replicas}"
        )
