"""The memory of a configuration's services as a table, with warnings about what does not fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from configuration.servers import ModelServerSettings
from configuration.tree import Configuration
from orchestrator.preflight.memory.items import (
    CONTEXT,
    CONTEXT_BYTES,
    GIB,
    LEARNER,
    Item,
    ServiceMemory,
    bytes_together,
)
from orchestrator.preflight.memory.learner import learner_memory
from orchestrator.preflight.memory.model_server import server_memory, vllm_bytes
from orchestrator.preflight.memory.shapes import ModelShape, UnknownShapeError, find_shape
from orchestrator.servers.gpu_memory import VLLM_SHARE, GpuUser, gpu_users, together, vllm_shares


@dataclass(frozen=True)
class MachineMemory:
    """What services without a GPU take of their machine's memory; as text, a line that says it."""

    services: str
    """Their names."""
    needed: int
    """Bytes that they take together at most."""
    memory: int
    """Bytes of the machine."""

    def __str__(self) -> str:
        return (
            f"{self.services}: up to {self.needed / GIB:.1f} of this machine's {self.memory / GIB:.1f} GiB, "
            "as it has no GPU"
        )


@dataclass(frozen=True)
class MemoryReport:
    """The estimates, and the size of the GPUs."""

    services: tuple[ServiceMemory, ...]
    """Estimates for planner, executor and learner."""
    gpu_bytes: int
    """Memory of each GPU."""
    here: frozenset[str]
    """Services without an address, which a rollout starts on its own machine."""
    crowded: tuple[str, ...] = ()
    """Lines about GPUs that several processes are given and that cannot hold all of them."""
    shared_gpus: int = 0
    """Number of GPUs that the processes share; 0 if each process is meant to have one of its own."""
    unknown: str = ""
    """Reason why everything that depends on the model is left out; empty if its shape is known."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Lines about what does not fit or would not start; empty if all is well."""
        each = tuple(warning for service in self.services for warning in self._warnings_of(service))
        return (*each, *self._together(), *self.crowded)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Lines to print below the table."""
        count = sum(service.ranks for service in self.services)
        size = f"{self.gpu_bytes / GIB:g} GiB"
        gpus = f"{count} GPUs of {size}, one for each process"
        if self.shared_gpus:
            gpus = (
                f"{self.shared_gpus} GPU{'s' * (self.shared_gpus > 1)} of {size}, shared by {count} processes"
            )
        unknown = (self.unknown,) if self.unknown else ()
        return (gpus, *unknown, *(line for service in self.services for line in service.remarks))

    def without_gpu(self, memory: int, learner: bool = True) -> MachineMemory | None:
        """What the services that are started on a machine with `memory` bytes and no GPU take of it.

        None if none is started there, or if the model's shape is not known. Without `learner`, no learner is.
        """
        started = [one for one in self._local if learner or one.service != LEARNER]
        if not started or self.unknown:
            return None
        names = ", ".join(service.service for service in started)
        return MachineMemory(names, bytes_together(_processes(started)), memory)

    @property
    def _local(self) -> list[ServiceMemory]:
        return [service for service in self.services if service.service in self.here]

    def _together(self) -> tuple[str, ...]:
        processes = _processes(self._local)
        needed = bytes_together(processes)
        if len(processes) < 2 or needed <= self.gpu_bytes:
            return ()
        names = ", ".join(service.service for service in self._local)
        return (
            f"{names} have no address and are started on this machine's first GPU: together they need "
            f"{needed / GIB:.1f} GiB, which do not fit into its {self.gpu_bytes / GIB:g} GiB. Give each its "
            "own GPU, as with --planner.gpus 0, or start them elsewhere and give their addresses",
        )

    def _warnings_of(self, service: ServiceMemory) -> tuple[str, ...]:
        if service.bytes <= self.gpu_bytes:
            return service.warnings
        return (
            f"the {service.service} does not fit: it needs {service.bytes / GIB:.1f} GiB and the GPU has "
            f"{self.gpu_bytes / GIB:.1f} GiB",
            *service.warnings,
        )


def _processes(services: Iterable[ServiceMemory]) -> list[ServiceMemory]:
    """These local services, once for each process that shares a GPU with others."""
    # Only ranks find a GPU of their own by themselves.
    return [one for one in services for _ in range(one.ranks if one.kind == "replicas" else 1)]


def memory_report(configuration: Configuration, gpu_gib: float) -> MemoryReport:
    """Estimates the memory of planner, executor and learner, each on a GPU of `gpu_gib` GiB."""
    gpu_bytes = int(gpu_gib * GIB)
    servers = {"planner": configuration.planner, "executor": configuration.executor}
    sections = {**servers, "learner": configuration.learner}
    here = frozenset(
        name for name, section in sections.items() if section.address is None and not section.gpus
    )
    try:
        shape = find_shape(configuration.learner.model)
    except UnknownShapeError as error:
        return MemoryReport(_without_model(configuration, gpu_bytes), gpu_bytes, here, unknown=str(error))
    services = _services(configuration, shape, gpu_bytes)
    gpus = together(gpu_users(configuration))
    shared = {gpu: those for gpu, those in gpus.items() if len(those) > 1}
    # Without vLLM or `gpus`, the processes share the first GPU only where there is no other.
    meant = {
        gpu: those for gpu, those in shared.items() if any(_placed(user, configuration) for user in those)
    }
    divided = any(user.vllm for those in shared.values() for user in those)
    return MemoryReport(
        services,
        gpu_bytes,
        here,
        _crowded(meant, services, gpu_bytes),
        len(gpus) if meant or divided else 0,
    )


def _services(configuration: Configuration, shape: ModelShape, gpu_bytes: int) -> tuple[ServiceMemory, ...]:
    lora = configuration.lora
    servers, shares = (
        {"planner": configuration.planner, "executor": configuration.executor},
        _shares(configuration),
    )
    return (
        *(
            replace(
                server_memory(role, shape, settings, lora, gpu_bytes, shares[role]),
                ranks=_count(settings) * settings.gpus_each,
                kind="replicas" if settings.gpus_each == 1 else "GPUs",
            )
            for role, settings in servers.items()
        ),
        learner_memory(shape, configuration),
    )


def _count(settings: ModelServerSettings) -> int:
    """The number of servers of a role, wherever they run."""
    return len(settings.addresses) or settings.replicas


def _placed(user: GpuUser, configuration: Configuration) -> bool:
    """Whether the configuration gives the process its GPUs."""
    return bool(getattr(configuration, user.section).gpus)


def _crowded(
    shared: Mapping[int, tuple[GpuUser, ...]], services: tuple[ServiceMemory, ...], gpu_bytes: int
) -> tuple[str, ...]:
    """Warnings about GPUs that are too small for all the processes that are started on them."""
    memory = {service.service: service for service in services}
    return tuple(
        f"GPU {gpu} is shared by {', '.join(user.section for user in those)}: together they need "
        f"{needed / GIB:.1f} GiB, which do not fit into its {gpu_bytes / GIB:g} GiB"
        for gpu, those in shared.items()
        if (needed := bytes_together(memory[user.section] for user in those)) > gpu_bytes
    )


def _shares(configuration: Configuration) -> dict[str, float]:
    """The smallest share of a GPU that a vLLM of each role is given, here or elsewhere."""
    settings = {"planner": configuration.planner, "executor": configuration.executor}
    shares = {role: each.vllm_share or VLLM_SHARE for role, each in settings.items()}
    users = gpu_users(configuration)
    given = vllm_shares(users)
    for user in users:
        if user.vllm:
            shares[user.section] = min(shares[user.section], given[user.name])
    return shares


def _without_model(configuration: Configuration, gpu_bytes: int) -> tuple[ServiceMemory, ...]:
    """The items that do not depend on the model's shape."""
    context = Item(CONTEXT, CONTEXT_BYTES, "assumed")
    shares = _shares(configuration)
    servers = {"planner": configuration.planner, "executor": configuration.executor}
    return (
        *(
            ServiceMemory(
                role,
                (_filled(gpu_bytes, shares[role]) if settings.engine == "vllm" else context,),
                ranks=_count(settings),
                kind="replicas",
            )
            for role, settings in servers.items()
        ),
        ServiceMemory(LEARNER, (context,)),
    )


def _filled(gpu_bytes: int, share: float) -> Item:
    return Item("vLLM's share", vllm_bytes(gpu_bytes, share), f"{share:.0%}, whatever the model")


def render(report: MemoryReport) -> RenderableType:
    """The table, followed by remarks and warnings."""
    lines = [Text(line) for line in report.remarks]
    lines += [Text(f"WARNING: {line}", style="bold red") for line in report.warnings]
    return Group(_table(report), *lines)


def _table(report: MemoryReport) -> Table:
    table = Table(box=box.SIMPLE, title="memory, estimated", title_justify="left", pad_edge=False)
    table.add_column("service")
    table.add_column("what", no_wrap=True)
    table.add_column("GiB", justify="right", no_wrap=True)
    table.add_column("how", overflow="fold")
    for service in report.services:
        for place, item in enumerate(service.items):
            table.add_row("" if place else service.title, item.what, f"{item.bytes / GIB:.2f}", item.how)
        share = f"{service.bytes / report.gpu_bytes:.0%} of a GPU of {report.gpu_bytes / GIB:g} GiB"
        total = "without the model" if report.unknown else "total"
        table.add_row("", total, f"{service.bytes / GIB:.2f}", share, style="bold", end_section=True)
    return table
