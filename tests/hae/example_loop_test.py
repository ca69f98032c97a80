"""The example learns, with every estimator, and the snippet of the README runs."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from hae import EstimatorSettings
from hae.example_loop import main, train

ITERATIONS = {"hae": 14, "gae": 22, "dgae": 14, "grpo": 22, "gigpo": 18}
README = Path(__file__).parents[2] / "hae" / "README.md"


@pytest.mark.parametrize(("estimator", "iterations"), ITERATIONS.items())
def test_success_rises(estimator: str, iterations: int) -> None:
    settings = EstimatorSettings.model_validate({"estimator": estimator})
    won = list(train(settings, iterations, seed=0))
    assert np.mean(won[:3]) < 0.25
    assert np.mean(won[-3:]) > 0.7


def test_the_command_prints_the_share_of_episodes_won(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--iterations", "7", "--seed", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [int(line[6:9]) for line in lines] == [0, 5, 6]
    assert all(re.fullmatch(r"batch +\d+: +\d+% of 64 episodes won", line) for line in lines)


def test_the_snippet_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    scope: dict[str, object] = {}
    exec(snippet, scope)
    assert capsys.readouterr().out.count("[") == 6
