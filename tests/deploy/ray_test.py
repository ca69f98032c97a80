"""A run on a Ray cluster of five nodes, all on this machine; the tests build on each other, in this order."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.errors import NotFoundError, PreconditionError
from deploy.ray.cluster import Cluster, ShortageError
from deploy.ray.command import ACTIONS
from deploy.ray.placement import pool_of
from deploy.ray.settings import parse
from run_folder.folder import RunFolder
from run_folder.metrics import MetricsFile
from tests.deploy.host import ADDRESS, own_network
from tests.end_to_end.processes import SMALL, gone
from tests.end_to_end.tiny import tiny_model
from tests.extras import need

NAMESPACE = "test"
POOLS = ("learner", "planner", "executor", "executor", "orchestrator")
NODE = {"num_cpus": 2, "object_store_memory": 80 * 2**20}
UPDATES = 2


@dataclass(frozen=True)
class Machines:
    """The cluster, and the deployment in it."""

    ray_cluster: Any
    deployed: Cluster
    run_dir: Path
    model: Path

    def run(self, *arguments: str) -> None:
        """What the command does once it is connected to the cluster."""
        request = parse([*arguments, "--namespace", NAMESPACE])
        ACTIONS[request.action](self.deployed, request)

    def up(self) -> None:
        options = [f"--{part}.tls.insecure=true" for part in ("planner", "executor", "learner")]
        options += ["--model", str(self.model), "--run-dir", str(self.run_dir)]
        options += [f"--learner.updates={UPDATES}", "--learner.episodes_per_update=4"]
        options += ["--executor.replicas=2", "--executor-cpus=2", "--place-seconds=60"]
        self.run("up", *options, *SMALL)

    def processes(self) -> dict[str, Mapping[str, str]]:
        return self.deployed.described(self.deployed.names())

    def until(
        self, condition: Callable[[dict[str, Mapping[str, str]]], bool], seconds: float = 300.0
    ) -> None:
        end = time.monotonic() + seconds
        while not condition(found := self.processes()):
            assert time.monotonic() < end, found
            time.sleep(0.2)


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    need("ray", "ray")
    # Sockets are in Ray's folder, and their paths may have 107 characters.
    folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")
    with own_network() as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", folder)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        (Path(folder) / "ray").mkdir()
        from ray.cluster_utils import Cluster as RayCluster

        arguments = [{**NODE, "node_ip_address": address, "labels": {"hiper-pool": pool}} for pool in POOLS]
        arguments[0]["include_dashboard"] = False
        cluster = RayCluster(initialize_head=True, head_node_args=arguments[0])
        try:
            for each in arguments[1:]:
                cluster.add_node(**each, wait=False)
            cluster.wait_for_nodes()
            deployed = Cluster.join(cluster.address, NAMESPACE)
            yield Machines(cluster, deployed, Path(folder, "run"), tiny_model(Path(folder, "model")))
            deployed.leave()
        finally:
            cluster.shutdown()
            shutil.rmtree(folder, ignore_errors=True)


def labels(machines: Machines) -> dict[str, str]:
    """The pool of each node that is alive, by the node's id."""
    return {node.id: node.labels["hiper-pool"] for node in machines.deployed.nodes()}


def test_pools_are_where_their_labels_are(machines: Machines) -> None:
    machines.up()
    names = {"learner", "planner-0", "executor-0", "executor-1", "orchestrator-0"}
    machines.until(lambda found: set(found) == names)
    pools, found = labels(machines), machines.processes()
    assert {name: pools[said["node"]] for name, said in found.items()} == {
        name: pool_of(name) for name in found
    }


def test_what_cannot_be_placed_is_named(machines: Machines) -> None:
    before = set(machines.deployed.names())
    with pytest.raises(ShortageError) as failure:
        machines.run("scale", "executor=4", "--place-seconds=2")
    said = str(failure.value)
    assert "executor-2, executor-3: wanted each 2 CPU on a node labelled hiper-pool=executor" in said
    assert said.count("available on") == 2 and "0 of 2 CPU" in said
    assert set(machines.deployed.names()) == before


def test_a_second_run_needs_another_name(machines: Machines) -> None:
    with pytest.raises(PreconditionError, match="--namespace"):
        machines.up()


def test_a_whole_run(machines: Machines) -> None:
    machines.until(lambda found: found.get("orchestrator-0", {}).get("state") == "finished")
    assert len(MetricsFile(RunFolder(machines.run_dir).metrics).lines()) == UPDATES


def test_a_server_that_dies_is_started_again(machines: Machines) -> None:
    before = machines.processes()["planner-0"]
    os.kill(int(before["pid"]), signal.SIGKILL)
    machines.until(lambda found: found.get("planner-0", before)["pid"] not in ("", before["pid"]))
    assert labels(machines)[machines.processes()["planner-0"]["node"]] == "planner"


def test_a_lost_node_is_replaced(machines: Machines) -> None:
    lost = machines.processes()["executor-1"]["node"]
    node = next(each for each in machines.ray_cluster.list_all_nodes() if each.node_id == lost)
    machines.ray_cluster.remove_node(node, allow_graceful=False)
    machines.until(lambda found: "executor-1" not in found)
    machines.ray_cluster.add_node(
        **NODE, node_ip_address=ADDRESS, labels={"hiper-pool": "executor"}, wait=False
    )
    machines.until(lambda found: found.get("executor-1", {}).get("state") == "serving")
    pools, found = labels(machines), machines.processes()
    assert lost not in pools and pools[found["executor-1"]["node"]] == "executor"


def test_a_pool_shrinks(machines: Machines, capsys: pytest.CaptureFixture[str]) -> None:
    machines.run("drain", "executor-0")
    assert "executor-0: it has no episodes any more" in capsys.readouterr().out
    assert [name for name in machines.deployed.names() if pool_of(name) == "executor"] == ["executor-1"]


def test_nothing_is_left(machines: Machines) -> None:
    pids = [int(said["pid"]) for said in machines.processes().values() if said["pid"]]
    machines.run("down")
    assert machines.deployed.names() == []
    assert all(gone(pid) for pid in pids)
    with pytest.raises(NotFoundError, match="`up`"):
        machines.run("status")
