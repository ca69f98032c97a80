"""Differences of two methods, paired by seed at each horizon and over all of them."""

from __future__ import annotations

from studies.curves.pairs import pairs_table
from tests.studies.curves.outcomes import outcome


def test_a_pair_has_a_cell_for_each_horizon_and_one_for_all_seeds_together() -> None:
    results = {
        "tiny": {
            "hae": [outcome("hae", 0, 0.5, won=100), outcome("hae", 1, 0.7, won=120)],
            "gae": [outcome("gae", 0, 0.4, won=110), outcome("gae", 1, 0.6, won=130)],
        },
        "long": {
            "hae": [outcome("hae", 1, 0.1, won=60), outcome("hae", 2, 0.9, won=10)],
            "gae": [outcome("gae", 1, 0.3, won=40)],
            "grpo": [outcome("grpo", 1, 0.3)],
        },
    }
    assert pairs_table(results) == [
        "| difference, points |  | tiny | long | all |",
        "|---|---|---|---|---|",
        # 10, 10 and -20 points: deviation 17.3, and Student's t for two degrees of freedom 4.303.
        "| HAE less flat GAE | over training | +10.0 ± 0.0 | -20.0 | 0.0 ± 43.0 |",
        "| HAE less flat GAE | after training | -5.0 ± 0.0 | +10.0 | 0.0 ± 21.5 |",
    ]


def test_a_horizon_without_both_methods_has_an_empty_cell() -> None:
    results = {
        "tiny": {"dgae": [outcome("dgae", 0, 0.5)]},
        "long": {m: [outcome(m, 0, 0.5)] for m in ("hae", "dgae")},
    }
    assert pairs_table(results)[2:] == [
        "| dgae less HAE | over training |  | 0.0 | 0.0 |",
        "| dgae less HAE | after training |  | 0.0 | 0.0 |",
    ]


def test_without_a_pair_there_is_no_table() -> None:
    assert pairs_table({"tiny": {"hae": [outcome("hae", 0, 0.5)]}}) == []
