"""Says which servers a run would start, and what this machine lacks for them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from configuration.learner import LearnerSettings
from configuration.servers import ModelServerSettings
from configuration.tree import Configuration
from core.cpu import multiplies_bfloat16
from core.role import Role
from orchestrator.preflight.memory.items import GIB
from orchestrator.preflight.memory.report import MachineMemory, memory_report
from orchestrator.servers.gpu_memory import divisions, gpu_users
from orchestrator.servers.replicas import ReplicaPlan, replica_plans

_GPUS = Path("/proc/driver/nvidia/gpus")
"""Folder in which the NVIDIA driver has a folder for each GPU."""
_LIMIT = Path("/sys/fs/cgroup/memory.max")
"""File with the largest memory of a container in bytes, or `max`."""


@dataclass(frozen=True)
class Machine:
    """The parts of a machine that servers share."""

    cores: int
    gpus: int
    memory: int
    """Bytes of memory, of the machine or of this container; other processes use some of them."""
    bfloat16: bool = True
    """Whether the cores multiply in bfloat16; otherwise `dtype = auto` is float32 on them."""

    @classmethod
    def this(cls) -> Machine:
        """The machine of this process."""
        gpus = len(list(_GPUS.iterdir())) if _GPUS.is_dir() else 0
        return cls(len(os.sched_getaffinity(0)), gpus, _memory(), multiplies_bfloat16())


def _memory() -> int:
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _LIMIT.read_text(encoding="ascii").strip() if _LIMIT.exists() else "max"
    return min(whole, int(limit)) if limit.isdecimal() else whole


def pools(configuration: Configuration) -> list[str]:
    """A line for each pool, its servers and the GPUs of each; then one for each GPU that vLLM shares.

    Raises:
        ConfigurationError: the servers of a pool cannot be started as configured.
    """
    lines = [_pool(role, configuration.model_server(role), configuration) for role in Role]
    return [*lines, *divisions(gpu_users(configuration))]


def _pool(role: Role, settings: ModelServerSettings, configuration: Configuration) -> str:
    if configuration.learner.address is not None:
        return f"{role.value}s: those that are registered with the learner at {configuration.learner.address}"
    if settings.addresses:
        return f"{role.value}s: {len(settings.addresses)}, running at {', '.join(settings.addresses)}"
    plans = replica_plans(role, settings)
    started = ", ".join(f"{plan.name} {_place(role, plan)}" for plan in plans)
    return f"{role.value}s: {len(plans)}, started here: {started}"


def _place(role: Role, plan: ReplicaPlan) -> str:
    gpus = plan.overrides.get(f"{role.value}.gpus")
    return f"(GPU {gpus})" if gpus else "(no GPU of its own)"


def lacking(configuration: Configuration, machine: Machine, learner: bool = True) -> list[str]:
    """Lines about what the services that are started need and this machine lacks.

    Args:
        configuration: Configuration of the services.
        machine: The machine on which they are started.
        learner: Whether a learner is started, too, unless it runs elsewhere, with the model servers.
    """
    if learner and configuration.learner.address is not None:
        return []
    return [
        *_gpus(configuration, machine, learner),
        *_cores(configuration, machine),
        *_too_little_memory(configuration, machine, learner),
    ]


def _gpus(configuration: Configuration, machine: Machine, learner: bool) -> list[str]:
    asked = {
        f"{role.value}.gpus": configuration.model_server(role).gpus
        for role in Role
        if not configuration.model_server(role).addresses
    }
    if learner:
        asked["learner.gpus"] = configuration.learner.gpus
    return [
        f"missing: GPU {', '.join(map(str, absent))} of {key}: this machine has {_counted(machine.gpus)}"
        for key, numbers in asked.items()
        if (absent := [number for number in numbers if number >= machine.gpus])
    ]


def _counted(gpus: int) -> str:
    return {0: "no GPU", 1: "1 GPU"}.get(gpus, f"{gpus} GPUs")


def _cores(configuration: Configuration, machine: Machine) -> list[str]:
    """Model servers compute at the same time; the learner is left out, which computes when they wait."""
    if machine.gpus:
        return []
    threads = _threads([configuration.model_server(role) for role in Role])
    if threads <= machine.cores:
        return []
    return [
        f"missing: cores: the model servers compute with {threads} threads, and this machine has "
        f"{machine.cores} cores and no GPU"
    ]


def _threads(pools: Sequence[ModelServerSettings]) -> int:
    return sum(pool.threads * pool.replicas for pool in pools if not pool.addresses)


def _too_little_memory(configuration: Configuration, machine: Machine, learner: bool) -> list[str]:
    memory = memory_without_gpu(configuration, machine, learner)
    if memory is None or memory.needed <= memory.memory:
        return []
    return [f"missing: memory: {memory}"]


def memory_without_gpu(
    configuration: Configuration, machine: Machine, learner: bool = True
) -> MachineMemory | None:
    """What the services that are started take of the machine's memory, with a learner or without.

    None if the machine has a GPU, nothing is started there, the model's shape is unknown, or vLLM serves.
    """
    vllm = any(configuration.model_server(role).engine == "vllm" for role in Role)
    if machine.gpus or vllm or (learner and configuration.learner.address is not None):
        return None
    on_cores = configuration if machine.bfloat16 else _in_float32(configuration)
    return memory_report(on_cores, machine.memory / GIB).without_gpu(machine.memory, learner)


def _in_float32(configuration: Configuration) -> Configuration:
    """The configuration with the number format that `auto` is on cores without bfloat16."""
    sections: dict[str, ModelServerSettings | LearnerSettings] = {
        **{role.value: configuration.model_server(role) for role in Role},
        "learner": configuration.learner,
    }
    return configuration.model_copy(
        update={
            name: section.model_copy(update={"dtype": "float32"})
            for name, section in sections.items()
            if section.dtype == "auto"
        }
    )
