"""The servers of a pool: their names, and their shares of the GPUs."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from configuration.servers import ModelServerSettings
from core.errors import ConfigurationError
from core.role import Role
from orchestrator.servers.replicas import gpu_shares, replica_plans


def settings(**changes: object) -> ModelServerSettings:
    return ModelServerSettings.model_validate(changes)


def test_one_server_has_the_name_of_its_role_and_several_are_numbered() -> None:
    (one,) = replica_plans(Role.PLANNER, settings())
    assert (one.name, one.overrides) == ("planner", {})
    several = replica_plans(Role.EXECUTOR, settings(replicas=3, gpus=[4, 5, 6, 7]))
    assert [plan.name for plan in several] == ["executor-0", "executor-1", "executor-2"]
    assert [plan.overrides["executor.gpus"] for plan in several] == ["4", "5", "6,7"]


def test_servers_with_addresses_are_not_started() -> None:
    assert replica_plans(Role.PLANNER, settings(address="a:1,b:2", replicas=4)) == ()


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"listen": "0.0.0.0:5001"}, "planner.listen"),
        ({"metrics_port": 9000}, "planner.metrics_port"),
        ({"advertise": "host:5001"}, "planner.advertise"),
    ],
)
def test_what_only_one_server_can_have_is_refused_for_several(changes: dict[str, object], key: str) -> None:
    (one,) = replica_plans(Role.PLANNER, settings(**changes))
    assert one.name == "planner"
    with pytest.raises(ConfigurationError, match=f"^{key} = .*planner.replicas = 2"):
        replica_plans(Role.PLANNER, settings(**changes, replicas=2))


def test_free_ports_can_be_had_by_several() -> None:
    assert len(replica_plans(Role.PLANNER, settings(listen="0.0.0.0:0", metrics_port=0, replicas=2))) == 2


@given(st.lists(st.integers(0, 63), unique=True, max_size=16), st.integers(1, 20))
def test_each_gpu_is_used_and_none_more_than_necessary(gpus: list[int], replicas: int) -> None:
    shares = gpu_shares(gpus, replicas)
    assert len(shares) == replicas
    assert sorted({gpu for share in shares for gpu in share}) == sorted(gpus)
    sizes = [len(share) for share in shares]
    users = [sum(gpu in share for share in shares) for gpu in gpus]
    if len(gpus) >= replicas:
        assert max(sizes) - min(sizes) <= 1 and set(users) == {1}
    elif gpus:
        assert set(sizes) == {1} and max(users) - min(users) <= 1
    else:
        assert set(sizes) == {0}
