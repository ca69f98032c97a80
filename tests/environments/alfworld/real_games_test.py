"""The released games: the recorded ones answer by answer, and every walkthrough to its win."""

from __future__ import annotations

from collections import Counter

import pytest

from environments.alfworld.benchmark import AlfworldBenchmark
from environments.alfworld.conformance import replay
from environments.alfworld.episode import Episode
from environments.alfworld.plan import plan
from environments.alfworld.sources import open_source
from environments.evaluation import evaluate
from tests.shared_data import shared


@pytest.fixture(scope="module")
def released() -> AlfworldBenchmark:
    return AlfworldBenchmark(open_source(shared("alfworld")))


def test_recorded_games_are_replayed_without_a_difference() -> None:
    report = replay(shared("alfworld/transcripts.jsonl.xz"), shared("alfworld"))
    assert (report.steps, report.differences, report.first) == (328, 0, None)


def test_the_release_is_complete(released: AlfworldBenchmark) -> None:
    counts = {split: len(released.tasks(split)) for split in released.splits}
    assert counts == {"train": 3553, "valid_seen": 140, "valid_unseen": 134, "valid_train": 200}
    types = Counter(task.type for task in released.tasks("valid_unseen"))
    assert types["pick_clean_then_place_in_recep"] == 31


def test_every_walkthrough_wins_at_its_last_action(released: AlfworldBenchmark) -> None:
    for split in released.splits:
        for task in released.tasks(split):
            game = released.game(task.id)
            assert game.goal.task_type == task.type
            episode = Episode(game)
            for action in game.walkthrough:
                assert not episode.won, task.id
                episode.act(action)
            assert episode.won, task.id


def test_our_planner_solves_released_games(released: AlfworldBenchmark) -> None:
    for task in (*released.tasks("valid_seen"), *released.tasks("valid_unseen")):
        assert plan(released.game(task.id)) is not None, task.id


def test_every_demonstration_has_a_subgoal_for_every_action(released: AlfworldBenchmark) -> None:
    openings = Counter(
        step.subgoal.split()[0]
        for split in ("valid_seen", "valid_unseen")
        for task in released.tasks(split)
        for step in released.demonstration(task)
    )
    assert set(openings) == {"find", "put", "clean", "heat", "cool", "turn"}


def test_the_rule_player_nearly_always_wins(released: AlfworldBenchmark) -> None:
    outcomes = evaluate(released, released.policy("rule", 0), "valid_seen")
    assert sum(outcome.won for outcome in outcomes) >= 133
