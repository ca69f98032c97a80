"""How processes on one GPU divide its memory, of which each vLLM fills as much as it is told to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from configuration.servers import ModelServerSettings
from configuration.tree import Configuration
from core.errors import ConfigurationError
from core.role import Role
from orchestrator.servers.replicas import gpu_shares, server_name

VLLM_SHARE = 0.92
"""Share of the GPU that vLLM fills: the default of `gpu_memory_utilization` in vllm/config/cache.py."""
_LEAST = 0.02
"""Smallest share that a vLLM is left with."""
_HUNDREDTHS = 100


@dataclass(frozen=True)
class GpuUser:
    """A process that a run starts on GPUs of this machine."""

    name: str
    """Name of the server, such as `planner-0` or `learner`."""
    section: str
    """Section of the configuration that it belongs to."""
    gpus: tuple[int, ...]
    vllm: bool
    """Whether its engine is vLLM, which must be told its share."""
    share: float | None
    """Configured share of each of its GPUs; None if there is none."""


def gpu_users(configuration: Configuration, learner: bool = True) -> tuple[GpuUser, ...]:
    """The processes that a run starts; without `gpus`, a process computes on the first ones.

    Args:
        configuration: Configuration of the run.
        learner: Whether the run has a learner, as all have but evaluations.
    """
    if learner and configuration.learner.address is not None:
        return ()
    pools = (user for role in Role for user in _servers(role, configuration.model_server(role)))
    return (*pools, *(_ranks(configuration) if learner else ()))


def _servers(role: Role, settings: ModelServerSettings) -> Iterator[GpuUser]:
    if settings.addresses:
        return
    vllm = settings.engine == "vllm"
    for number, gpus in enumerate(gpu_shares(settings.gpus, settings.replicas)):
        yield GpuUser(
            server_name(role, number, settings.replicas),
            role.value,
            gpus or tuple(range(settings.gpus_each)),
            vllm,
            settings.vllm_share,
        )


def _ranks(configuration: Configuration) -> Iterator[GpuUser]:
    learner = configuration.learner
    for gpu in learner.gpus[: learner.ranks] or range(learner.ranks):
        yield GpuUser("learner", "learner", (gpu,), False, None)


def together(users: Sequence[GpuUser]) -> Mapping[int, tuple[GpuUser, ...]]:
    """The processes on each GPU, by its number."""
    gpus = sorted({gpu for user in users for gpu in user.gpus})
    return {gpu: tuple(user for user in users if gpu in user.gpus) for gpu in gpus}


def vllm_shares(users: Sequence[GpuUser]) -> Mapping[str, float]:
    """The share of its GPUs that each vLLM fills, by the server's name; in hundredths unless configured.

    What the configured shares leave of `VLLM_SHARE` is divided evenly among the other processes of a GPU, of
    which the learner is one, and a server with the embedded engine another.

    Raises:
        ConfigurationError: the configured shares of a GPU are more than the whole, or leave nothing.
    """
    parts = {gpu: _part(gpu, those) for gpu, those in together(users).items()}
    return {
        user.name: min(parts[gpu] for gpu in user.gpus) if user.share is None else user.share
        for user in users
        if user.vllm
    }


def _part(gpu: int, users: Sequence[GpuUser]) -> float:
    """The share of this GPU for each process without a configured one."""
    given = sum(user.share for user in users if user.share is not None)
    if given > 1:
        raise ConfigurationError(
            f"GPU {gpu}: {_named(users)} are configured to fill {given:.2f} of its memory together "
            "(vllm.gpu_memory_utilization)"
        )
    rest = [user for user in users if user.share is None]
    part = math.floor(round((VLLM_SHARE - given) / max(len(rest), 1) * _HUNDREDTHS, 6)) / _HUNDREDTHS
    if part < _LEAST and (left := [user for user in rest if user.vllm]):
        raise ConfigurationError(
            f"GPU {gpu}: the configured vllm.gpu_memory_utilization, {given:.2f} in all, leaves nothing for "
            f"{_named(left)}"
        )
    return part


def _named(users: Sequence[GpuUser]) -> str:
    return ", ".join(user.name for user in users)


def take_turns(users: Sequence[GpuUser]) -> frozenset[str]:
    """Names of the servers that must not start at the same time: vLLM on a GPU with another vLLM.

    A vLLM measures how much of the GPU's memory its own start takes, and counts what others take meanwhile.
    """
    groups = ([user.name for user in those if user.vllm] for those in together(users).values())
    return frozenset(name for group in groups if len(group) > 1 for name in group)


def divisions(users: Sequence[GpuUser]) -> list[str]:
    """A line for each GPU that several processes share, at least one of them with vLLM."""
    shares = vllm_shares(users)
    return [
        f"GPU {gpu} is shared: {', '.join(_described(user, shares) for user in those)}"
        for gpu, those in together(users).items()
        if len(those) > 1 and any(user.vllm for user in those)
    ]


def _described(user: GpuUser, shares: Mapping[str, float]) -> str:
    if not user.vllm:
        return f"{user.name} (what it needs)"
    origin = "configured" if user.share is not None else "by default"
    return f"{user.name} (gpu_memory_utilization = {shares[user.name]:g}, {origin})"
