"""Requests for places, and what is said of those that cannot be met."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from deploy.ray.placement import Node, change, names, placements, shortage, sort_key, table, too_many
from deploy.ray.settings import parse


def node(pool: str, free: float, gpus: float = 0.0) -> Node:
    total = {"CPU": 4.0, "GPU": gpus} if gpus else {"CPU": 4.0}
    return Node(f"id-{pool}", f"host-{pool}", {"hiper-pool": pool}, total, {"CPU": free})


def test_a_process_asks_for_the_resources_and_the_label_of_its_pool() -> None:
    options = ["--planner-gpus=0.5", "--learner-cpus=4", "--learner-gpus=1", "--learner.ranks=2"]
    deployment = parse(["up", "--run-dir", "r", *options]).deployment()
    learner, planner = placements(deployment, ["learner", "planner-3"])
    assert (planner.pool, planner.cpus, planner.gpus) == ("planner", 1.0, 0.5)
    assert planner.labels == {"hiper-pool": "planner"} and not planner.reserved
    assert (learner.cpus, learner.gpus, learner.reserved) == (8.0, 2.0, True)


def test_without_a_label_any_node_will_do() -> None:
    deployment = parse(["up", "--run-dir", "r", "--label", ""]).deployment()
    (request,) = placements(deployment, ["executor-0"])
    assert request.labels == {} and request.wanted() == "1 CPU on any node"


def test_a_process_can_be_bound_to_one_node() -> None:
    deployment = parse(["up", "--run-dir", "r"]).deployment()
    (request,) = placements(deployment, ["orchestrator-1"], {"orchestrator-1": "a1b2"})
    assert request.labels == {"hiper-pool": "orchestrator", "ray.io/node-id": "a1b2"}


def test_what_is_lacking_is_said_by_name() -> None:
    deployment = parse(["up", "--run-dir", "r", "--executor-gpus=1"]).deployment()
    unplaced = placements(deployment, ["executor-4", "executor-5", "planner-0"])
    said = shortage(unplaced, [node("executor", 2.0, gpus=8.0), node("learner", 4.0)], 60.0)
    assert said.splitlines() == [
        "3 processes could not be placed within 60 s:",
        "  executor-4, executor-5: wanted each 1 CPU, 1 GPU on a node labelled hiper-pool=executor",
        "    available on host-executor: 2 of 4 CPU, 0 of 8 GPU",
        "  planner-0: wanted 1 CPU on a node labelled hiper-pool=planner",
        "    available: none of the 2 nodes has this label",
    ]


def test_what_has_room_is_only_slow() -> None:
    deployment = parse(["up", "--run-dir", "r", "--executor-cpus=3"]).deployment()
    nodes = [node("executor", 0.0), node("planner", 0.0)]
    requests = placements(deployment, ["executor-0", "executor-1", "planner-0", "planner-4", "learner"])
    assert too_many(requests, nodes) == {"executor-1", "learner"}
    assert too_many([], nodes) == set()


@given(present=st.sets(st.integers(0, 30)), count=st.integers(0, 40))
def test_a_pool_gets_the_size_that_was_asked_for(present: set[int], count: int) -> None:
    existing = {f"executor-{number}" for number in present} | {"learner", "planner-1"}
    wanted = change(existing, "executor", count)
    after = (existing | set(wanted.add)) - set(wanted.remove)
    assert len([name for name in after if name.startswith("executor-")]) == count
    assert not (wanted.add and wanted.remove) and {"learner", "planner-1"} <= after
    kept = [int(name.rpartition("-")[2]) for name in existing & after if name.startswith("executor-")]
    removed = [int(name.rpartition("-")[2]) for name in wanted.remove]
    assert not removed or not kept or min(removed) > max(kept)
    assert set(wanted.add).isdisjoint(existing)


def test_names_are_ordered_by_number() -> None:
    assert sorted(names("executor", 11), key=sort_key)[-1] == "executor-10"


def test_a_table_is_aligned() -> None:
    text = table([{"NAME": "a", "STATE": "serving"}, {"NAME": "executor-10", "STATE": ""}])
    assert [re.sub(" +", " ", line) for line in text.splitlines()] == [
        "NAME STATE",
        "a serving",
        "executor-10",
    ]
    assert text.splitlines()[0].index("STATE") == text.splitlines()[1].index("serving")
    assert table([]) == "nothing is running"
