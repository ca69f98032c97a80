"""What is to run where: names, requests for resources, and what a cluster lacks. Makes no calls to Ray."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from deploy.ray.settings import Deployment

LEARNER = "learner"
"""Name of the only learner."""
NODE_ID = "ray.io/node-id"
"""Label that Ray gives to each node."""


@dataclass(frozen=True)
class Placement:
    """A process that wants a place in the cluster."""

    name: str
    """Name such as `executor-3`, unique in the deployment."""
    pool: str
    cpus: float
    gpus: float
    labels: Mapping[str, str]
    """Labels that the node must have."""
    reserved: bool = False
    """Whether the resources stay reserved while the process is restarted, and are all on one node."""

    def wanted(self) -> str:
        """The request in words."""
        parts = [f"{_number(self.cpus)} CPU"]
        parts += [f"{_number(self.gpus)} GPU"] if self.gpus else []
        where = " and ".join(f"{key}={value}" for key, value in self.labels.items())
        return ", ".join(parts) + (f" on a node labelled {where}" if where else " on any node")


@dataclass(frozen=True)
class Node:
    """A node that is alive."""

    id: str
    address: str
    labels: Mapping[str, str]
    total: Mapping[str, float]
    """Number of `CPU` and `GPU` that the node has."""
    free: Mapping[str, float]
    """Number of them that nothing has reserved."""

    def has_labels(self, labels: Mapping[str, str]) -> bool:
        return all(self.labels.get(key) == value for key, value in labels.items())


def pool_of(name: str) -> str:
    """The pool of a process, by its name."""
    return name.partition("-")[0]


def placements(
    deployment: Deployment, names: Collection[str], nodes: Mapping[str, str] | None = None
) -> list[Placement]:
    """The requests of the processes with these names; `nodes` has the ids of nodes that some must be on."""
    made = []
    for name in names:
        pool = pool_of(name)
        resources = deployment.resources[pool]
        labels = deployment.labels(pool)
        if nodes and name in nodes:
            labels[NODE_ID] = nodes[name]
        reserved = pool == LEARNER and deployment.ranks > 1
        made.append(Placement(name, pool, resources.cpus, resources.gpus, labels, reserved))
    return made


def names(pool: str, count: int) -> list[str]:
    """The names of the processes of a pool; there is only one learner."""
    return [LEARNER] if pool == LEARNER else [f"{pool}-{number}" for number in range(count)]


@dataclass(frozen=True)
class Change:
    """What must be done for a pool to have another size."""

    add: tuple[str, ...]
    remove: tuple[str, ...]


def change(existing: Collection[str], pool: str, count: int) -> Change:
    """Adds the lowest free numbers, or removes the highest ones."""
    present = sorted((name for name in existing if pool_of(name) == pool), key=_place_in_pool)
    if len(present) >= count:
        return Change((), tuple(reversed(present[count:])))
    free = (name for name in names(pool, len(present) + count) if name not in present)
    return Change(tuple(name for name, _ in zip(free, range(count - len(present)), strict=False)), ())


def sort_key(name: str) -> tuple[str, int]:
    """Orders names by pool, then by number."""
    return pool_of(name), _place_in_pool(name)


def _place_in_pool(name: str) -> int:
    number = re.search(r"-(\d+)$", name)
    return int(number[1]) if number else 0


def too_many(requests: Sequence[Placement], nodes: Sequence[Node]) -> set[str]:
    """Names of the requests for which the nodes are too few or too small, even if nothing else ran there.

    The first requests get their places first. The others may still wait for processes that are slow to start.
    """
    left = {node.id: {kind: node.total.get(kind, 0.0) for kind in ("CPU", "GPU")} for node in nodes}
    lacking = set()
    for request in requests:
        for node in nodes:
            free = left[node.id]
            fits = free["CPU"] >= request.cpus and free["GPU"] >= request.gpus
            if fits and node.has_labels(request.labels):
                free["CPU"] -= request.cpus
                free["GPU"] -= request.gpus
                break
        else:
            lacking.add(request.name)
    return lacking


def shortage(unplaced: Sequence[Placement], nodes: Sequence[Node], seconds: float) -> str:
    """Says what could not be placed: what each pool wanted, and what its nodes have.

    Args:
        unplaced: Requests that have no node.
        nodes: All nodes that are alive.
        seconds: Time in which they should have been placed.
    """
    lines = [f"{len(unplaced)} processes could not be placed within {seconds:g} s:"]
    for pool in dict.fromkeys(request.pool for request in unplaced):
        requests = [request for request in unplaced if request.pool == pool]
        named = ", ".join(request.name for request in requests)
        lines.append(f"  {named}: wanted {'each ' if len(requests) > 1 else ''}{requests[0].wanted()}")
        fitting = [node for node in nodes if node.has_labels(requests[0].labels)]
        lines += [f"    available on {_described(node)}" for node in fitting]
        if not fitting:
            lines.append(f"    available: none of the {len(nodes)} nodes has this label")
    return "\n".join(lines)


def _described(node: Node) -> str:
    parts = [
        f"{_number(node.free.get(kind, 0.0))} of {_number(node.total[kind])} {kind}"
        for kind in ("CPU", "GPU")
        if node.total.get(kind)
    ]
    return f"{node.address}: " + (", ".join(parts) or "no CPU and no GPU")


def _number(value: float) -> str:
    return f"{value:.4g}"


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows with the same keys as a text table with a heading."""
    if not rows:
        return "nothing is running"
    heading = list(rows[0])
    lines = [heading, *([row[key] for key in heading] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heading))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
