"""The study's command line."""

from __future__ import annotations

import pytest

from core.errors import ConfigurationError
from studies.nano_curves import run


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "--out"),
        (["--out", "x", "--horizons", "tiny,endless"], "endless: accepted are tiny, short, long"),
        (["--out", "x", "--methods", "ppo"], "ppo: accepted are hae, hae_boundary, dgae, gae, grpo, gigpo"),
        (["--out", "x", "--seeds", "a"], "seeds"),
        (["--out", "x", "--seeds", "1,2", "--choosing-seeds", "2"], "--choosing-seeds 2: seeds that choose"),
        (["--out", "x", "--learner.updats", "3"], "learner.updates"),
    ],
)
def test_bad_options_are_named(arguments: list[str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        run(arguments)
