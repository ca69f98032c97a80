"""How processes on one GPU divide its memory."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from configuration.tree import Configuration
from core.errors import ConfigurationError
from orchestrator.servers.gpu_memory import divisions, gpu_users, take_turns, together, vllm_shares


def configuration(**sections: dict[str, Any]) -> Configuration:
    for role in ("planner", "executor"):
        sections[role] = {"engine": "vllm", **sections.get(role, {})}
    return Configuration.model_validate(sections)


def shares(**sections: dict[str, Any]) -> dict[str, float]:
    return dict(vllm_shares(gpu_users(configuration(**sections))))


def test_a_vllm_with_a_gpu_of_its_own_fills_the_default_share() -> None:
    apart = {"planner": {"gpus": [0]}, "executor": {"gpus": [1]}, "learner": {"gpus": [2]}}
    assert shares(**apart) == {"planner": 0.92, "executor": 0.92}
    assert divisions(gpu_users(configuration(**apart))) == []
    assert take_turns(gpu_users(configuration(**apart))) == frozenset()


def test_those_on_one_gpu_divide_it_evenly() -> None:
    two = {"planner": {"gpus": [0]}, "executor": {"gpus": [0]}, "learner": {"gpus": [1]}}
    assert shares(**two) == {"planner": 0.46, "executor": 0.46}
    # 0.92 / 3, rounded down: the learner is the third.
    assert shares() == {"planner": 0.30, "executor": 0.30}
    without = gpu_users(configuration(), learner=False)
    assert vllm_shares(without) == {"planner": 0.46, "executor": 0.46}
    embedded = {"executor": {"engine": "embedded"}, "learner": {"gpus": [1]}}
    assert shares(**embedded) == {"planner": 0.46}


def test_what_is_configured_counts_and_the_rest_is_divided() -> None:
    configured = {"planner": {"vllm": {"gpu_memory_utilization": 0.2}}}
    # (0.92 - 0.2) / 2, the learner being the other.
    assert shares(**configured) == {"planner": 0.2, "executor": 0.36}
    assert divisions(gpu_users(configuration(**configured))) == [
        "GPU 0 is shared: planner (gpu_memory_utilization = 0.2, configured), "
        "executor (gpu_memory_utilization = 0.36, by default), learner (what it needs)"
    ]


def test_a_server_on_several_gpus_has_the_share_of_the_fullest() -> None:
    wide = {"vllm": {"tensor_parallel_size": 2}}
    assert [user.gpus for user in gpu_users(configuration(executor=wide))] == [(0,), (0, 1), (0,)]
    assert shares(executor={**wide, "gpus": [0, 1]}, learner={"gpus": [2]}) == {
        "planner": 0.46,
        "executor": 0.46,
    }


def test_replicas_divide_the_gpus_that_they_share() -> None:
    pool = {"planner": {"gpus": [0]}, "executor": {"gpus": [1], "replicas": 2}, "learner": {"gpus": [2]}}
    assert shares(**pool) == {"planner": 0.92, "executor-0": 0.46, "executor-1": 0.46}
    assert take_turns(gpu_users(configuration(**pool))) == {"executor-0", "executor-1"}


def test_servers_elsewhere_take_no_part() -> None:
    there = {"planner": {"address": "a:1"}, "learner": {"gpus": [1]}}
    assert shares(**there) == {"executor": 0.92}
    assert gpu_users(configuration(learner={"address": "l:1"})) == ()


@pytest.mark.parametrize(
    ("planner", "executor", "message"),
    [
        (0.7, 0.7, "GPU 0: planner, executor, learner are configured to fill 1.40 of its memory together"),
        (
            0.91,
            None,
            "GPU 0: the configured vllm.gpu_memory_utilization, 0.91 in all, leaves nothing for exec",
        ),
    ],
)
def test_shares_that_leave_nothing_are_refused(planner: float, executor: float | None, message: str) -> None:
    given_shares = {"planner": planner, "executor": executor}
    sections = {role: {"vllm": {"gpu_memory_utilization": share}} for role, share in given_shares.items()}
    with pytest.raises(ConfigurationError, match=message):
        shares(**sections)


GPUS = st.lists(st.integers(0, 3), unique=True, max_size=4)


@given(GPUS, GPUS, st.integers(1, 4), st.integers(1, 4), GPUS)
def test_no_gpu_is_filled_beyond_the_default(
    planner: list[int], executor: list[int], planners: int, executors: int, learner: list[int]
) -> None:
    users = gpu_users(
        configuration(
            planner={"gpus": planner, "replicas": planners},
            executor={"gpus": executor, "replicas": executors},
            learner={"gpus": learner},
        )
    )
    given_shares = vllm_shares(users)
    assert given_shares.keys() == {user.name for user in users if user.vllm}
    for those in together(users).values():
        assert sum(given_shares.get(user.name, 0.0) for user in those) <= 0.92 + 1e-9
        assert all(given_shares.get(user.name, 1.0) >= 0.1 for user in those)
