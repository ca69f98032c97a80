"""What is said about services that are too large, one by one or together."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from configuration.tree import Configuration
from orchestrator.preflight.memory.items import GIB, Item, ServiceMemory
from orchestrator.preflight.memory.report import MemoryReport, memory_report, render


def service(name: str, gib: float, **more: Any) -> ServiceMemory:
    return ServiceMemory(name, (Item("weights", int(gib * GIB), "by hand"),), **more)


def report(*services: ServiceMemory, gpu: int = 10, here: frozenset[str] = frozenset()) -> MemoryReport:
    return MemoryReport(services, gpu * GIB, here)


def shown(of: MemoryReport) -> list[str]:
    console = Console(file=StringIO(), width=100, record=True)
    console.print(render(of))
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_a_service_that_just_fits_is_not_warned_of() -> None:
    assert report(service("planner", 10)).warnings == ()
    assert report(service("planner", 10.5)).warnings == (
        "the planner does not fit: it needs 10.5 GiB and the GPU has 10.0 GiB",
    )


def test_a_service_s_own_warnings_come_after_its_size() -> None:
    large = service("planner", 11, warnings=("too long",))
    assert report(large).warnings[1:] == ("too long",)
    assert report(service("planner", 1, warnings=("too long",))).warnings == ("too long",)


def test_services_that_start_here_share_a_gpu() -> None:
    services = (service("planner", 4), service("executor", 4), service("learner", 4))
    assert report(*services, here=frozenset({"planner", "executor"})).warnings == ()
    (warning,) = report(*services, here=frozenset({"planner", "executor", "learner"})).warnings
    assert warning.startswith("planner, executor, learner have no address")
    assert "12.0 GiB" in warning and " 10 GiB" in warning


def test_without_a_gpu_services_share_the_machine_s_memory() -> None:
    services = (
        service("planner", 4, ranks=2, kind="replicas"),
        service("executor", 5),
        service("learner", 6),
    )
    all_here = report(*services, here=frozenset({"planner", "executor", "learner"}))
    # Two planners and an executor; the learner's six are taken during an update, beside these.
    need = all_here.without_gpu(18 * GIB)
    assert need is not None and (need.needed, need.memory) == (19 * GIB, 18 * GIB)
    assert str(need) == "planner, executor, learner: up to 19.0 of this machine's 18.0 GiB, as it has no GPU"
    alone = report(*services, here=frozenset({"executor"})).without_gpu(8 * GIB)
    assert str(alone).startswith("executor: up to 5.0 of")
    assert report(*services).without_gpu(8 * GIB) is None
    assert MemoryReport(services, GIB, frozenset({"planner"}), unknown="no shape").without_gpu(GIB) is None


def test_one_service_here_has_the_gpu_to_itself() -> None:
    (warning,) = report(service("planner", 12), here=frozenset({"planner"})).warnings
    assert "have no address" not in warning


def test_every_rank_has_a_gpu() -> None:
    many = report(service("planner", 1), service("learner", 1, ranks=3, remarks=("a remark",)))
    assert many.remarks == ("4 GPUs of 10 GiB, one for each process", "a remark")


def test_replicas_on_one_gpu_share_it_and_ranks_do_not() -> None:
    servers = service("executor", 4, ranks=3, kind="replicas")
    assert servers.title == "executor, each of 3 replicas"
    (warning,) = report(servers, here=frozenset({"executor"})).warnings
    assert "12.0 GiB" in warning
    assert report(service("learner", 4, ranks=3), here=frozenset({"learner"})).warnings == ()


@pytest.mark.parametrize(
    ("gpus", "crowded"),
    [
        ({"planner": [0], "executor": [1, 2, 3, 4]}, []),
        ({"planner": [0], "executor": [0, 1, 2, 3]}, ["GPU 0 is shared by planner, executor"]),
        (
            {"planner": [0], "executor": [1, 2]},
            ["GPU 1 is shared by executor, executor", "GPU 2 is shared by executor, executor"],
        ),
    ],
)
def test_gpus_that_are_given_to_more_than_they_hold_are_named(
    gpus: dict[str, list[int]], crowded: list[str]
) -> None:
    sections: dict[str, Any] = {role: {"gpus": those} for role, those in gpus.items()}
    sections["executor"]["replicas"] = 4
    chosen = Configuration.model_validate({**sections, "learner": {"gpus": [9]}})
    alone = max(memory_report(chosen, 80).services[:2], key=lambda service: service.bytes).bytes / GIB
    found = memory_report(chosen, 1.5 * alone)
    assert [line.partition(":")[0] for line in found.crowded] == crowded
    elsewhere = {role: {**section, "address": "a:1"} for role, section in sections.items()}
    assert memory_report(Configuration.model_validate(elsewhere), 1.5 * alone).crowded == ()


def test_vllms_that_share_a_gpu_are_given_what_fits() -> None:
    sections: dict[str, Any] = {role: {"gpus": [0], "engine": "vllm"} for role in ("planner", "executor")}
    found = memory_report(Configuration.model_validate({**sections, "learner": {"gpus": [0]}}), 80)
    assert [one.bytes for one in found.services[:2]] == pytest.approx([0.30 * 80 * GIB] * 2, abs=1)
    assert found.warnings == ()
    assert found.remarks[0] == "1 GPU of 80 GiB, shared by 3 processes"
    sections["planner"]["vllm"] = {"gpu_memory_utilization": 0.8}
    found = memory_report(Configuration.model_validate({**sections, "learner": {"gpus": [0]}}), 80)
    assert [one.bytes / GIB for one in found.services[:2]] == pytest.approx([64.0, 4.8])


def test_gpus_that_compute_together_divide_weights_and_cache() -> None:
    two = {"engine": "vllm", "address": "a:1", "vllm": {"tensor_parallel_size": 2}}
    alone = {"engine": "vllm", "address": "a:1"}
    sections = {"planner": two, "executor": alone, "learner": {"address": "b:1"}}
    found = memory_report(Configuration.model_validate(sections), 80)
    divided, whole, _ = found.services
    assert divided.title == "planner, each of 2 GPUs"
    assert 2 * divided.of("weights") == whole.of("weights")
    assert divided.bytes == whole.bytes
    assert found.remarks[0] == "4 GPUs of 80 GiB, one for each process"


def test_the_table_has_a_row_for_each_item_and_the_sum() -> None:
    lines = shown(report(ServiceMemory("planner", (Item("a", GIB), Item("b", GIB // 2, "half")))))
    rows = [line.split() for line in lines]
    assert ["planner", "a", "1.00"] in rows
    assert ["b", "0.50", "half"] in rows
    assert ["total", "1.50", "15%", "of", "a", "GPU", "of", "10", "GiB"] in rows


def test_warnings_are_under_the_table() -> None:
    lines = shown(report(service("planner", 12), service("executor", 1)))
    assert lines[-1] == "WARNING: the planner does not fit: it needs 12.0 GiB and the GPU has 10.0 GiB"
    assert lines[-2] == "2 GPUs of 10 GiB, one for each process"


@pytest.mark.parametrize(
    ("sections", "here"),
    [
        ({}, {"planner", "executor", "learner"}),
        ({"planner": {"address": "host:1"}}, {"executor", "learner"}),
        ({"learner": {"gpus": [1]}, "executor": {"gpus": [2]}}, {"planner"}),
    ],
)
def test_services_with_an_address_or_a_gpu_of_their_own_do_not_share(
    sections: dict[str, Any], here: set[str]
) -> None:
    assert memory_report(Configuration.model_validate(sections), 80).here == here


def test_services_are_planner_executor_and_learner() -> None:
    configuration = Configuration.model_validate(
        {"executor": {"engine": "vllm", "gpus": [2]}, "learner": {"ranks": 2}}
    )
    found = memory_report(configuration, 80)
    assert [one.title for one in found.services] == ["planner", "executor", "learner, each of 2 ranks"]
    assert found.services[1].bytes == pytest.approx(0.92 * 80 * GIB, abs=1)
    assert found.unknown == "" and found.gpu_bytes == 80 * GIB


def test_sleeping_makes_room_on_a_gpu_that_is_too_small_otherwise() -> None:
    vllm = {"engine": "vllm", "gpus": [0], "vllm": {"gpu_memory_utilization": 0.45}}

    def found(sleeps: bool) -> MemoryReport:
        roles: dict[str, Any] = {
            role: {**vllm, "sleep_while_updating": sleeps} for role in ("planner", "executor")
        }
        learner = {"gpus": [0], "dtype": "bfloat16", "pack_tokens": 8192}
        return memory_report(Configuration.model_validate({**roles, "learner": learner}), 24)

    (crowded,) = found(sleeps=False).warnings
    assert crowded.startswith("GPU 0 is shared by planner, executor, learner")
    report = found(sleeps=True)
    assert report.warnings == ()
    assert any("the planner sleeps and gives up" in remark for remark in report.remarks)
