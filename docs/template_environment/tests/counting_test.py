"""The environment keeps the contract, and its expert wins."""

from hiper_counting import load

from configuration.environment import EnvironmentSettings
from environments.contract import check
from environments.evaluation import evaluate


def test_the_contract_is_kept() -> None:
    benchmark = load(EnvironmentSettings(name="counting", step_limit=12))
    assert [result for result in check(benchmark, 12) if result.problems] == []


def test_the_expert_wins_every_task() -> None:
    benchmark = load(EnvironmentSettings(name="counting", step_limit=20))
    for split in benchmark.splits:
        outcomes = evaluate(benchmark, benchmark.policy("expert", 0), split, lambda: None)
        assert all(outcome.won for outcome in outcomes)
