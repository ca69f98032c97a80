"""What a dry run says about the servers that would be started."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from configuration.tree import Configuration
from core.errors import ConfigurationError
from orchestrator.preflight.pools import Machine, lacking, memory_without_gpu, pools

LARGE = Machine(cores=64, gpus=8, memory=256 * 2**30)
SMALL = Machine(cores=2, gpus=0, memory=8 * 2**30)


def configuration(**sections: Any) -> Configuration:
    return Configuration.model_validate(sections)


def test_each_server_is_named_with_its_gpus() -> None:
    node = configuration(planner={"gpus": [0]}, executor={"replicas": 2, "gpus": [1, 2, 3, 4]})
    assert pools(node) == [
        "planners: 1, started here: planner (GPU 0)",
        "executors: 2, started here: executor-0 (GPU 1,2), executor-1 (GPU 3,4)",
    ]
    assert lacking(node, LARGE) == []


def test_how_vllms_share_a_gpu_is_said() -> None:
    both = {"engine": "vllm", "gpus": [0]}
    node = configuration(planner=both, executor=both, learner={"gpus": [1]})
    assert pools(node)[2:] == [
        "GPU 0 is shared: planner (gpu_memory_utilization = 0.46, by default), "
        "executor (gpu_memory_utilization = 0.46, by default)"
    ]


def test_servers_elsewhere_are_named_by_their_addresses() -> None:
    there = configuration(planner={"address": "a:1,b:2", "replicas": 9}, executor={"address": "c:3"})
    assert pools(there) == ["planners: 2, running at a:1, b:2", "executors: 1, running at c:3"]
    joined = configuration(learner={"address": "l:1", "gpus": [7]}, executor={"replicas": 9, "gpus": [8]})
    assert pools(joined)[1] == "executors: those that are registered with the learner at l:1"
    assert lacking(there, SMALL) == lacking(joined, SMALL) == []


def test_gpus_and_cores_that_are_not_here_are_missing() -> None:
    node = configuration(executor={"replicas": 4, "gpus": [2, 3, 8]}, learner={"gpus": [8, 9]})
    assert lacking(node, LARGE) == [
        "missing: GPU 8 of executor.gpus: this machine has 8 GPUs",
        "missing: GPU 8, 9 of learner.gpus: this machine has 8 GPUs",
    ]
    assert lacking(configuration(executor={"replicas": 2}), SMALL) == [
        "missing: cores: the model servers compute with 3 threads, and this machine has 2 cores and no GPU"
    ]
    assert lacking(configuration(planner={"gpus": [0]}), SMALL)[0].endswith("this machine has no GPU")


def test_memory_that_is_not_here_is_missing_unless_a_gpu_has_it() -> None:
    many = configuration(planner={"max_batch": 64, "context_length": 8192})
    (line,) = lacking(many, SMALL)
    assert line.startswith("missing: memory: planner, executor, learner: up to ")
    assert line.endswith(" of this machine's 8.0 GiB, as it has no GPU")
    assert lacking(configuration(), SMALL) == []
    elsewhere = [configuration(learner={"address": "l:1"}), configuration(planner={"engine": "vllm"})]
    tiny = Machine(cores=2, gpus=0, memory=2**20)
    assert [lacking(each, tiny) for each in elsewhere] == [[], []]
    assert lacking(many, Machine(cores=2, gpus=1, memory=2**20)) == []


def test_without_bfloat16_the_same_services_take_more() -> None:
    old = replace(SMALL, bfloat16=False)
    takes = [memory_without_gpu(configuration(), machine) for machine in (SMALL, old)]
    assert takes[0] is not None and takes[1] is not None
    assert 1.3 * takes[0].needed < takes[1].needed < 2 * takes[0].needed
    chosen = {"dtype": "bfloat16"}
    same = configuration(planner=chosen, executor=chosen, learner=chosen)
    assert memory_without_gpu(same, old) == memory_without_gpu(same, SMALL)


def test_an_evaluation_needs_no_learner_nor_is_it_hindered_by_one_elsewhere() -> None:
    elsewhere = configuration(learner={"address": "l:1", "gpus": [7]}, planner={"max_batch": 64})
    (line,) = lacking(elsewhere, replace(SMALL, memory=2**30), learner=False)
    assert line.startswith("missing: memory: planner, executor: up to ")
    there = configuration(planner={"address": "a:1"}, executor={"address": "b:2"}, learner={"gpus": [7]})
    assert lacking(there, replace(SMALL, memory=2**20), learner=False) == []


def test_servers_that_cannot_be_started_as_configured_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="executor.listen"):
        pools(configuration(executor={"replicas": 2, "listen": "0.0.0.0:5002"}))
