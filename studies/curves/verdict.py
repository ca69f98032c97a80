"""The first line of the page: whether the results show that hierarchical credit is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from studies.curves.methods import METHODS
from studies.curves.statistics import MEASURES, Interval, Measure, over_training
from studies.curves.study import ByHorizon, Outcome, Score

Starts = Mapping[str, Mapping[bool, Score]]
"""Scores of the base models by horizon, with and without a hierarchy."""

_RIVALS = ("gae", "grpo")
_ALONE = "no_hierarchy"


def verdict(results: ByHorizon, starts: Starts, runs: int) -> str:
    """What the results say about the claim that hierarchical credit learns better in longer games.

    It is confirmed by a measure if, at the longest horizon, the 95 % interval of the best hierarchical
    estimator lies above those of flat GAE and of GRPO. How a model without subgoals does stands beside it.

    Args:
        results: Finished runs.
        starts: Scores before training, as far as they are known.
        runs: Number of runs of the complete study.
    """
    done = sum(len(runs) for methods in results.values() for runs in methods.values())
    unfinished = (
        "" if done >= runs else f"**The study is not complete: {done} of {runs} runs are finished.** "
    )
    usable = [horizon for horizon, methods in results.items() if _comparable(methods)]
    if not usable:
        needed = "two seeds of a hierarchical estimator, of flat GAE and of GRPO"
        return f"{unfinished}No horizon has {needed} yet, so nothing is shown."
    longest = usable[-1]
    sentences = [_sentence(longest, results[longest], *measure) for measure in MEASURES]
    sentences += _growth(results, usable) + _alone(longest, results[longest], starts.get(longest, {}))
    return unfinished + " ".join(sentences)


def _comparable(methods: Mapping[str, Sequence[Outcome]]) -> bool:
    several = {method for method, runs in methods.items() if len(runs) > 1}
    return several.issuperset(_RIVALS) and any(METHODS[method].uses_subgoals for method in several)


def _sentence(horizon: str, methods: Mapping[str, Sequence[Outcome]], name: str, measure: Measure) -> str:
    intervals = _intervals(methods, measure)
    best = _best(intervals)
    own = intervals[best]
    above = all(own.low > intervals[rival].high for rival in _RIVALS)
    found = "**Confirmed" if above else "**Not confirmed"
    rivals = " and ".join(f"{METHODS[rival].title} {intervals[rival]} %" for rival in _RIVALS)
    relation = "lie above theirs" if above else "do not lie above theirs"
    return (
        f"{found} {name}:** in {horizon} games, the best hierarchical estimator, {METHODS[best].title}, wins "
        f"{own} %, {rivals}; its 95 % intervals {relation}."
    )


def _growth(results: ByHorizon, usable: Sequence[str]) -> list[str]:
    """How far the best hierarchical estimator is ahead of flat GAE at each horizon."""
    if len(usable) < 2:
        return []
    gaps = []
    for horizon in usable:
        intervals = _intervals(results[horizon], over_training)
        gaps.append(f"{intervals[_best(intervals)].mean - intervals['gae'].mean:+.1f} ({horizon})")
    return [f"Its lead over flat GAE, over training, is {', '.join(gaps)} points."]


def _alone(horizon: str, methods: Mapping[str, Sequence[Outcome]], starts: Mapping[bool, Score]) -> list[str]:
    """How the model without subgoals does, and what it and the others started from."""
    if _ALONE not in methods:
        return []
    results = " and ".join(
        f"{Interval.of([measure(run) for run in methods[_ALONE]])} % {name}" for name, measure in MEASURES
    )
    before = (
        f"; before, it wins {100 * starts[False].success.rate:.0f} % of the held-out games, and the "
        f"model with subgoals {100 * starts[True].success.rate:.0f} %"
        if starts.keys() >= {True, False}
        else ""
    )
    return [f"**Without subgoals,** a single model wins {results} in {horizon} games{before}."]


def _intervals(methods: Mapping[str, Sequence[Outcome]], measure: Measure) -> dict[str, Interval]:
    return {method: Interval.of([measure(run) for run in runs]) for method, runs in methods.items()}


def _best(intervals: Mapping[str, Interval]) -> str:
    hierarchical = [method for method in intervals if METHODS[method].uses_subgoals]
    return max(hierarchical, key=lambda method: intervals[method].mean)
