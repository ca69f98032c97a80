"""Settings that contradict each other, and what settings mean together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from configuration.command import read
from configuration.environment import EnvironmentSettings
from configuration.learner import ImitationSettings, LearnerSettings, PpoSettings
from configuration.run import RunSettings
from configuration.servers import ModelServerSettings
from configuration.tree import Configuration
from core.role import Role


def refused(section: type[Any], reason: str, **values: Any) -> None:
    with pytest.raises(ValidationError, match=reason):
        section.model_validate(values)


def test_the_default_configuration_is_valid_and_frozen() -> None:
    configuration = Configuration()
    with pytest.raises(ValidationError, match="frozen"):
        configuration.learner.updates = 3  # type: ignore[misc]


def test_unknown_keys_are_refused_in_every_section() -> None:
    for name in Configuration.model_fields:
        refused(Configuration, f"{name}.nonsense", **{name: {"nonsense": 1}})
    refused(Configuration, "nonsense", nonsense=1)


def test_all_services_have_one_base_model() -> None:
    model = {"model": "a"}
    Configuration.model_validate({"planner": model, "executor": model, "learner": model})
    refused(
        Configuration,
        "planner.model = 'a', executor.model = 'a', learner.model = 'bundled'",
        planner=model,
        executor=model,
    )


def test_only_the_embedded_engine_computes_in_float64() -> None:
    ModelServerSettings(dtype="float64")
    refused(
        ModelServerSettings, "engine = vllm takes auto, bfloat16 or float32", dtype="float64", engine="vllm"
    )


def test_a_batch_is_made_of_whole_groups() -> None:
    Configuration.model_validate({"learner": {"episodes_per_update": 12, "group_size": 4}})
    refused(
        Configuration,
        "episodes_per_update = 12 is not a multiple of learner.group_size = 8",
        learner={"episodes_per_update": 12, "group_size": 8},
    )


@pytest.mark.parametrize(
    ("values", "with_deepspeed"),
    [
        ({}, False),
        ({"ranks": 2}, True),
        ({"optimizer": "deepspeed"}, True),
        ({"ranks": 2, "zero_stage": 3}, True),
        ({"optimizer": "deepspeed", "zero_stage": 1}, True),
    ],
)
def test_several_ranks_always_have_deepspeed(values: dict[str, Any], with_deepspeed: bool) -> None:
    assert LearnerSettings.model_validate(values).with_deepspeed is with_deepspeed


def test_only_deepspeed_shards() -> None:
    refused(LearnerSettings, "learner.zero_stage = 1.*learner.optimizer = deepspeed", zero_stage=1)
    refused(LearnerSettings, "zero_stage", ranks=2, zero_stage=4)


def test_the_planner_may_have_a_learning_rate_of_its_own() -> None:
    alike = PpoSettings(learning_rate=2e-4)
    assert alike.learning_rate_of(Role.PLANNER) == alike.learning_rate_of(Role.EXECUTOR) == 2e-4
    apart = PpoSettings(learning_rate=2e-4, planner_learning_rate=1e-5)
    assert apart.learning_rate_of(Role.PLANNER) == 1e-5
    assert apart.learning_rate_of(Role.EXECUTOR) == 2e-4


def test_the_planner_may_have_steps_of_its_own() -> None:
    assert ImitationSettings(steps=7).steps_of(Role.PLANNER) == 7
    apart = ImitationSettings(steps=7, planner_steps=3)
    assert (apart.steps_of(Role.PLANNER), apart.steps_of(Role.EXECUTOR)) == (3, 7)


def test_only_advisers_can_teach_with_mistakes() -> None:
    for teacher in ("adviser", "decisive"):
        assert ImitationSettings(teacher=teacher, mistakes=0.3).mistakes == 0.3
    for teacher in ("rule", "expert"):
        refused(ImitationSettings, "imitation.mistakes = 0.3 needs", teacher=teacher, mistakes=0.3)


def test_a_warm_start_needs_lessons_or_a_pair() -> None:
    refused(ImitationSettings, "imitation.games = 0 needs imitation.episodes for lessons, or", games=0)
    assert not ImitationSettings(games=0, adapters=Path("pair")).has_lessons
    assert ImitationSettings(games=0, episodes=(Path("run"),), teacher="adviser").has_lessons


@pytest.mark.parametrize(
    ("section", "values"),
    [
        (LearnerSettings, {"updates": 0}),
        (LearnerSettings, {"max_lag": -1}),
        (LearnerSettings, {"pack_tokens": 127}),
        (LearnerSettings, {"lease_seconds": 0}),
        (LearnerSettings, {"gpus": [-1]}),
        (PpoSettings, {"learning_rate": 0}),
        (PpoSettings, {"importance_stop": 1.5}),
        (PpoSettings, {"importance_band": [0.5]}),
        (PpoSettings, {"kl_reference": "middle"}),
        (ImitationSettings, {"mistakes": 1}),
        (ModelServerSettings, {"context_length": 63}),
        (ModelServerSettings, {"temperature": -0.1}),
        (ModelServerSettings, {"temperature": 0.005}),
        (ModelServerSettings, {"temperature": 101}),
        (ModelServerSettings, {"drain_seconds": 0}),
        (ModelServerSettings, {"prompt_format": "long"}),
    ],
)
def test_values_out_of_range_are_refused_by_name(section: type[Any], values: dict[str, Any]) -> None:
    (name,) = values
    refused(section, name, **values)


@pytest.mark.parametrize("temperature", [0.0, 0.01, 0.6, 100.0])
def test_temperatures_that_the_learner_accepts_can_be_set(temperature: float) -> None:
    assert ModelServerSettings(temperature=temperature).temperature == temperature


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mix": ["alfworld"]}, "'alfworld' is not an environment with its share, 1 to 1000; alfworld=3"),
        ({"mix": ["alfworld=1001", "webshop=1"]}, "'alfworld=1001' is not an environment"),
        ({"mix": ["alfworld=0", "webshop=1"]}, "'alfworld=0' is not an environment with its share"),
        ({"mix": ["=2", "webshop=1"]}, "'=2' is not an environment with its share"),
        ({"mix": ["alfworld=2"]}, "at least two environments are needed"),
        ({"mix": ["alfworld=2", "alfworld=1"]}, "each of them once"),
    ],
)
def test_a_mix_names_environments_with_shares(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        EnvironmentSettings.model_validate(values)


def test_the_parts_of_a_mix_have_its_settings() -> None:
    settings = EnvironmentSettings(mix=("alfworld=3", "textarena:FrozenLake-v0=1"), step_limit=9)
    assert settings.shares == {"alfworld": 3, "textarena:FrozenLake-v0": 1}
    part = settings.part("alfworld")
    assert (part.name, part.mix, part.step_limit) == ("alfworld", (), 9)
    assert (settings.title, part.title) == ("alfworld=3, textarena:FrozenLake-v0=1", "alfworld")


def test_environments_of_a_mix_may_have_step_limits_of_their_own() -> None:
    mix = ("alfworld=2", "webshop=1", "openenv:http://host:1=1")
    settings = EnvironmentSettings(
        mix=mix, step_limit=9, step_limits=("openenv:http://host:1=3", "alfworld=50")
    )
    parts = [settings.part(name) for name in settings.shares]
    assert [(part.step_limit, part.step_limits) for part in parts] == [(50, ()), (9, ()), (3, ())]
    assert EnvironmentSettings(step_limit=9).step_limit_of("alfworld") == 9
    line = read(["--environment.mix", "a=1,b=1", "--environment.step_limits", "b=15"], "test")
    assert line.configuration.environment.own_step_limits == {"b": 15}


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (
            ["webshp=15"],
            "'webshp' is not in environment.mix, which has alfworld, webshop. Did you mean webshop?",
        ),
        (["alfworld"], "'alfworld' is not an environment with its step limit, at least 1; alfworld=50,web"),
        (["alfworld=0"], "'alfworld=0' is not an environment with its step limit"),
        (["alfworld=-1"], "'alfworld=-1' is not an environment with its step limit"),
        (["=5"], "'=5' is not an environment with its step limit"),
        (["alfworld=5", "alfworld=6"], "an environment has two step limits"),
    ],
)
def test_a_step_limit_is_of_an_environment_of_the_mix(limits: list[str], message: str) -> None:
    refused(EnvironmentSettings, message, mix=["alfworld=2", "webshop=1"], step_limits=limits)


def test_a_single_environment_has_one_step_limit() -> None:
    refused(
        EnvironmentSettings,
        "environment.mix is empty; the limit of a single environment is environment.step_limit ",
        step_limits=["alfworld=5"],
    )
    with pytest.raises(ValidationError) as raised:
        EnvironmentSettings.model_validate({"mix": ["alfworld"], "step_limits": ["alfworld=5"]})
    assert [error["loc"] for error in raised.value.errors()] == [("mix",)], "the mix alone is wrong"


@pytest.mark.parametrize("listen", ["127.0.0.1", "127.0.0.1:http", ":80", "127.0.0.1:70000", "", "a:1,b:2"])
def test_a_server_listens_at_one_host_and_port(listen: str) -> None:
    refused(ModelServerSettings, "accepted is host:port", listen=listen)


@pytest.mark.parametrize("address", [None, "", "host:1", "a:1, b:2", "[::1]:50051"])
def test_servers_have_addresses_or_none(address: str | None) -> None:
    assert ModelServerSettings(address=address).address == address


@pytest.mark.parametrize("url", ["http://host:4317", "https://a.b-c.org:4317/", "http://[::1]:4317", None])
def test_traces_go_to_a_url(url: str | None) -> None:
    assert RunSettings(trace=url).trace == url


@pytest.mark.parametrize(
    "url", ["", "host:4317", "http://host", "http://host:4318/v1/traces", "ftp://host:1"]
)
def test_what_is_not_the_url_of_a_collector_is_refused(url: str) -> None:
    refused(RunSettings, "accepted is http://host:port", trace=url)
