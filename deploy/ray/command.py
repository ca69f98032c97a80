"""`bazel run //deploy:ray`: deploys a run on a Ray cluster, and changes, shows and ends the deployment."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from configuration import command
from core.errors import ConfigurationError
from deploy.pods.draining import drain
from deploy.ray.cluster import Cluster
from deploy.ray.placement import (
    LEARNER,
    change,
    names,
    placements,
    pool_of,
    sort_key,
    table,
)
from deploy.ray.settings import POOLS, Deployment, Request, parse, scaled


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns its exit code."""
    request = parse(argv)
    cluster = Cluster.join(request.flags.ray_address, request.flags.namespace)
    try:
        ACTIONS[request.action](cluster, request)
    finally:
        cluster.leave()
    return 0


def up(cluster: Cluster, request: Request) -> None:
    """Starts everything; what could not be placed is given up, and the rest runs."""
    deployment = request.deployment()
    labels = deployment.labels("orchestrator")
    nodes = [node.id for node in cluster.nodes() if node.has_labels(labels)]
    counts = request.counts(len(nodes))
    cluster.keep(deployment)
    wanted = [name for pool in POOLS for name in names(pool, counts[pool])]
    pinned = dict(zip(names("orchestrator", len(nodes)), nodes, strict=True))
    cluster.start(
        deployment,
        placements(deployment, wanted, pinned if request.one_orchestrator_a_node else {}),
        request.flags.place_seconds,
    )
    status(cluster, request)


def scale(cluster: Cluster, request: Request) -> None:
    """Gives pools another size: starts servers, or drains and ends those with the highest numbers."""
    deployment, existing = cluster.deployment(), cluster.names()
    for pool, count in scaled(request.argument).items():
        wanted = change(existing, pool, count)
        _remove(cluster, request, deployment, wanted.remove)
        cluster.start(deployment, placements(deployment, wanted.add), request.flags.place_seconds)
    status(cluster, request)


def drain_one(cluster: Cluster, request: Request) -> None:
    """Takes one server out of its pool, and ends it for good."""
    if request.argument not in cluster.names() or request.argument == LEARNER:
        cluster.deployment()
        servers = [name for name in sorted(cluster.names(), key=sort_key) if name != LEARNER]
        raise ConfigurationError(
            f"drain {request.argument}: one of {', '.join(servers) or 'no processes'} is accepted"
        )
    _remove(cluster, request, cluster.deployment(), [request.argument])
    status(cluster, request)


def status(cluster: Cluster, request: Request) -> None:
    """Prints every process, where it runs, and its state."""
    cluster.deployment()
    found = sorted(cluster.names(), key=sort_key)
    described = cluster.described(found)
    print(table([row(name, described.get(name)) for name in found]))
    for name in found:
        said = described.get(name, {})
        if said.get("state") == "refused":
            print(f"\n{name} cannot start; the end of its output:\n{said['output']}")


def row(name: str, said: Mapping[str, str] | None) -> dict[str, str]:
    """A process's line of the table; None means that it has not answered."""
    if said is None:
        return {"NAME": name, "STATE": "waits for a node", "ADDRESS": "", "HOST": "", "PID": ""}
    return {
        "NAME": name,
        "STATE": said["state"],
        "ADDRESS": said["address"],
        "HOST": said["host"],
        "PID": said["pid"],
    }


def down(cluster: Cluster, request: Request) -> None:
    """Ends everything, the learner last. The run's folder is kept: `up` with it resumes the run."""
    existing, seconds = cluster.names(), cluster.deployment().stop_seconds
    for pools in (("orchestrator",), ("planner", "executor"), (LEARNER,)):
        cluster.stop([name for name in existing if pool_of(name) in pools], seconds)
    cluster.forget()
    print(f"ended {len(existing)} processes of {request.flags.namespace}")


def _remove(cluster: Cluster, request: Request, deployment: Deployment, names: Sequence[str]) -> None:
    """Drains the servers with these names, all at once, and ends them."""
    said = cluster.described([LEARNER, *names])
    learner = said.get(LEARNER, {}).get("address", "")
    addresses = {name: said[name]["address"] for name in names if name in said and said[name]["address"]}
    own = request.configuration.learner.tls
    tls = own if own.authority is not None else deployment.settings.learner.tls

    async def drained() -> list[str]:
        seconds = request.flags.drain_seconds
        return await asyncio.gather(*(drain(learner, tls, each, seconds) for each in addresses.values()))

    if learner and addresses:
        for name, result in zip(addresses, asyncio.run(drained()), strict=True):
            print(f"{name}: {result}")
    cluster.stop(names, deployment.stop_seconds)


ACTIONS = {"up": up, "scale": scale, "drain": drain_one, "status": status, "down": down}


if __name__ == "__main__":
    command.main(main)
