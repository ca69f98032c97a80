"""The first line of the page says what the results show, and no more."""

from __future__ import annotations

from studies.curves.study import Outcome, Score
from studies.curves.verdict import verdict
from tests.studies.curves.outcomes import outcome

Runs = dict[str, list[Outcome]]


def runs(horizon: str, **areas: float) -> Runs:
    """Three seeds of each method: one point below the area, the area, and one point above."""
    return {
        method: [
            outcome(method, seed, area + (seed - 1) / 100, horizon=horizon, won=round(200 * area) + seed)
            for seed in range(3)
        ]
        for method, area in areas.items()
    }


def test_intervals_above_those_of_both_rivals_confirm_the_claim() -> None:
    text = verdict({"long": runs("long", hae=0.5, dgae=0.7, gae=0.6, grpo=0.4)}, {}, 12)
    assert text.startswith("**Confirmed over training:** in long games")
    assert "dgae, wins 70.0 ± 2.5 %, flat GAE 60.0 ± 2.5 % and GRPO 40.0 ± 2.5 %" in text
    assert "**Confirmed after training:**" in text


def test_overlapping_intervals_or_one_rival_in_front_do_not() -> None:
    for areas in ({"dgae": 0.64, "gae": 0.6, "grpo": 0.4}, {"dgae": 0.7, "gae": 0.6, "grpo": 0.8}):
        text = verdict({"long": runs("long", **areas)}, {}, 9)
        assert text.startswith("**Not confirmed over training:**")
        assert "do not lie above theirs" in text


def test_the_longest_horizon_decides_and_the_leads_are_listed() -> None:
    text = verdict(
        {"tiny": runs("tiny", hae=0.7, gae=0.6, grpo=0.5), "long": runs("long", hae=0.5, gae=0.6, grpo=0.4)},
        {},
        18,
    )
    assert text.startswith("**Not confirmed over training:** in long games")
    assert text.endswith("Its lead over flat GAE, over training, is +10.0 (tiny), -10.0 (long) points.")


def test_an_unfinished_study_says_so_first() -> None:
    some = runs("tiny", hae=0.7, gae=0.6, grpo=0.5)
    assert verdict({"tiny": some}, {}, 10).startswith(
        "**The study is not complete: 9 of 10 runs are finished.** **Confirmed"
    )
    del some["grpo"][1:]
    assert verdict({"tiny": some}, {}, 10).endswith("of GRPO yet, so nothing is shown.")


def test_the_model_without_subgoals_stands_beside_them_with_what_it_started_from() -> None:
    results = {"long": runs("long", hae=0.7, gae=0.6, grpo=0.5, no_hierarchy=0.8)}
    starts = {"long": {True: Score(16, 200, 20.0, 4.0), False: Score(44, 200, 20.0, 1.0)}}
    assert verdict(results, starts, 12).endswith(
        "**Without subgoals,** a single model wins 80.0 ± 2.5 % over training and 80.5 ± 1.2 % "
        "after training in long games; before, it wins 22 % of the held-out games, and "
        "the model with subgoals 8 %."
    )
    assert verdict(results, {}, 12).endswith("after training in long games.")
