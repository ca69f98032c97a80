"""The command line of //deploy:ray, and the processes that it stands for."""

from __future__ import annotations

import tomllib

import pytest

from core.errors import ConfigurationError
from deploy.ray.processes import process
from deploy.ray.settings import Deployment, parse, scaled


def deployment(*options: str) -> Deployment:
    return parse(["up", "--run-dir", "/shared/r", *options]).deployment()


def test_a_deployment_survives_its_way_through_the_cluster() -> None:
    sent = deployment("--planner.replicas=4", "--environment.step_limit=7")
    received = Deployment.model_validate_json(sent.model_dump_json())
    assert received == sent
    assert received.settings.environment.step_limit == 7
    assert tomllib.loads(sent.configuration)["planner"]["replicas"] == 4


def test_the_numbers_of_processes() -> None:
    request = parse(["up", "--planner.replicas=2", "--executor.replicas=5", "--orchestrators=3"])
    assert request.counts(9) == {"learner": 1, "planner": 2, "executor": 5, "orchestrator": 3}
    each = parse(["up", "--orchestrators=each"])
    assert each.counts(9)["orchestrator"] == 9 and each.one_orchestrator_a_node
    with pytest.raises(ConfigurationError, match="--orchestrators many: a number is accepted, or each"):
        parse(["up", "--orchestrators=many"]).counts(1)


def test_the_learner_has_the_same_port_after_each_start() -> None:
    assert deployment().learner_port == deployment().learner_port
    assert deployment("--namespace=a").learner_port != deployment("--namespace=b").learner_port
    assert deployment("--learner.listen=0.0.0.0:7007").learner_port == 7007


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["grow"], "grow is not an action: up, scale, drain, status, down are"),
        (["scale"], "usage: ray scale executor=12"),
        (["down", "now"], "usage: ray scale executor=12"),
        (["up", "--planner.replica=2"], "planner.replicas"),
        (["up", "--place-seconds=0"], "--place-seconds = '0': accepted is more than 0"),
    ],
)
def test_a_wrong_argument_is_named(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse(arguments)


def test_up_needs_the_folder_of_the_run() -> None:
    with pytest.raises(ConfigurationError, match="--run-dir"):
        parse(["up"]).deployment()


def test_pools_can_be_scaled_together() -> None:
    assert scaled("planner=0,executor=12") == {"planner": 0, "executor": 12}


@pytest.mark.parametrize("argument", ["learner=2", "executor", "executor=", "executor=-1", "actor=1", ""])
def test_what_cannot_be_scaled_is_refused(argument: str) -> None:
    with pytest.raises(ConfigurationError, match="POOL=COUNT is accepted"):
        scaled(argument)


def test_a_model_server_registers_with_the_learner() -> None:
    started = process(deployment(), "executor-2")
    assert started.arguments == (
        *("-m", "executor.server", "--config", "{configuration}"),
        *("--exit-with-parent", "--ready-file", "{scratch}/ready.json"),
        *("--executor.listen", "0.0.0.0:{port}", "--executor.advertise", "{host}:{port}"),
        *("--learner.address", "{learner}"),
    )
    assert not started.ends and started.port == 0


def test_the_learner_keeps_its_run_in_the_shared_folder() -> None:
    started = process(deployment("--learner.listen=0.0.0.0:7007"), "learner")
    assert started.arguments[-4:] == ("--learner.listen", "0.0.0.0:{port}", "--run-dir", "/shared/r")
    assert started.port == 7007 and not started.ends


def test_an_orchestrator_ends_with_its_run() -> None:
    started = process(deployment(), "orchestrator-0")
    assert started.ends and started.arguments[:2] == ("-m", "orchestrator.rollout")
