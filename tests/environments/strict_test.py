"""What our environments promise beyond the contract: nonsense earns nothing, and every player is there."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from configuration.environment import EnvironmentSettings, GeneratorSettings
from environments.benchmark import Benchmark, TextEnvironment
from environments.errors import ActionTypeError, EpisodeError
from environments.registry import load

LIMIT = 12
FIELDS = {"admissible_actions", "goal", "task_id", "task_type", "won", "score"}
TEMPLATE = Path(__file__).resolve().parents[2] / "docs" / "template_environment" / "hiper_counting"


@pytest.fixture(params=["alfworld", "webshop", "the template"])
def benchmark(request: pytest.FixtureRequest) -> Benchmark:
    small = GeneratorSettings(games=6, products=40)
    if request.param != "the template":
        name, source = request.param, "generated"
        return load(EnvironmentSettings(name=name, source=source, step_limit=LIMIT, generator=small))
    spec = importlib.util.spec_from_file_location("hiper_counting", TEMPLATE / "__init__.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: Benchmark = module.load(EnvironmentSettings(step_limit=LIMIT))
    return made


def started(benchmark: Benchmark) -> TextEnvironment:
    environment = benchmark.environment()
    environment.reset(options={"task": benchmark.tasks(benchmark.splits[0])[0].id})
    return environment


def test_info_has_these_fields_and_no_others(benchmark: Benchmark) -> None:
    for task in benchmark.tasks(benchmark.splits[0])[:5]:
        observation, info = benchmark.environment().reset(options={"task": task.id})
        assert observation and set(info) == FIELDS


def test_demonstrations_end_with_their_last_step(benchmark: Benchmark) -> None:
    environment = benchmark.environment()
    for task in benchmark.tasks(benchmark.splits[0])[:5]:
        environment.reset(options={"task": task.id})
        ends = [environment.step(step.action)[2:4] for step in benchmark.demonstration(task)]
        assert ends == [(False, False)] * (len(ends) - 1) + [(True, False)]


def test_nonsense_earns_nothing_and_ends_nothing(benchmark: Benchmark) -> None:
    environment = started(benchmark)
    for action in ("", "\x00\x1b[2J", "x" * (1 << 20), "go to nowhere 1"):
        observation, reward, terminated, _, info = environment.step(action)
        assert isinstance(observation, str) and reward == 0 and not terminated and not info["won"]
    twin = environment.snapshot()
    with pytest.raises(ActionTypeError):
        environment.step(7)  # type: ignore[arg-type]
    assert environment.step("") == twin.step("")


def test_nonsense_is_cut_off_at_the_step_limit_and_nothing_follows(benchmark: Benchmark) -> None:
    environment = started(benchmark)
    ends = [environment.step("dance")[2:4] for _ in range(LIMIT)]
    assert ends == [(False, False)] * (LIMIT - 1) + [(False, True)]
    with pytest.raises(EpisodeError, match="the episode is over"):
        environment.step("dance")


def test_expert_rule_and_random_are_there_and_name_subgoals(benchmark: Benchmark) -> None:
    for name in ("expert", "rule", "random"):
        environment, player = benchmark.environment(), benchmark.policy(name, seed=0)
        observation, info = environment.reset(seed=1)
        player.begin(observation, info)
        over = False
        while not over:
            step = player.act(observation, info)
            assert step.subgoal
            observation, _, terminated, truncated, info = environment.step(step.action)
            assert not (terminated and truncated)
            over = terminated or truncated
