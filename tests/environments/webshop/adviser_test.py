"""Advice that goes by what the pages of an episode show."""

from __future__ import annotations

from itertools import groupby
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.benchmark import Task
from environments.webshop.adviser import DECISIVE, SURE, TURNS, advise
from environments.webshop.benchmark import WebShop
from environments.webshop.expert import BUY, FIND
from environments.webshop.memory import Memory
from environments.webshop.outcomes import sample
from tests.environments.webshop.hand_made_pages import (
    CHOSEN,
    FEATURES,
    ITEM,
    RESULTS,
    START,
    TRANSCRIPTS,
    Turn,
    clicks,
    page,
)
from tests.environments.webshop.shops import real_shop, synthetic_shop

GOAL = "Find me acme lamps with color: red, and size: s, and price lower than 40.00 dollars"
OTHER: Turn = (
    page("Back to Search", "< Prev", "Oak Lamp", "Price: $100.0", "Rating: N.A.", "Features", "Buy Now"),
    clicks("back to search", "< prev", "features", "buy now"),
)


def advice(
    *transcript: Turn, goal: str = GOAL, turns: int = TURNS, options_shown: bool = True, sure: float = SURE
) -> tuple[str, str]:
    step = advise(goal, Memory.of(transcript), turns, options_shown, sure)
    return step.subgoal, step.action


def test_it_searches_for_kind_and_options_then_opens_the_likeliest_hit() -> None:
    assert advice(START) == (FIND, "search[acme lamps color: red, size: s color: red, size: s]")
    assert advice(START, RESULTS) == (FIND, "click[B01]")


def test_it_chooses_what_is_not_chosen_yet_and_buys() -> None:
    opened = START, RESULTS, ITEM
    red = ITEM[0].replace("< Prev", "< Prev [SEP] Chosen: color: red"), ITEM[1]
    blue = ITEM[0].replace("< Prev", "< Prev [SEP] Chosen: color: blue, size: s"), ITEM[1]
    assert advice(*opened) == (BUY, "click[red]")
    assert advice(*opened, red) == (BUY, "click[s]")
    assert advice(*opened, CHOSEN) == (BUY, "click[Buy Now]")
    assert advice(*opened, blue) == (BUY, "click[red]")


def test_where_choices_are_hidden_each_turn_counts_as_one() -> None:
    actions = [advice(START, RESULTS, *[ITEM] * n, options_shown=False)[1] for n in (1, 2, 3)]
    assert actions == ["click[red]", "click[s]", "click[Buy Now]"]


def test_it_leaves_what_does_not_fit_for_another_search_and_comes_back() -> None:
    goal = GOAL.replace("acme lamps", "acme lamps with rare beauty, quiet charm")
    assert advice(START, RESULTS, OTHER, goal=goal) == (FIND, "click[Back to Search]")
    assert advice(START, RESULTS, OTHER, START, goal=goal) == (
        FIND,
        "search[acme lamps with rare beauty, quiet charm with color: red, and size: s color: red, size: s]",
    )
    assert advice(START, RESULTS, OTHER, START, RESULTS, goal=goal) == (FIND, "click[B01]")


def test_it_reads_features_where_it_is_in_doubt() -> None:
    goal = GOAL.replace("acme lamps", "acme lamps with rare beauty, quiet charm")
    doubtful = goal.replace("color: red", "color: bright red")
    assert advice(START, RESULTS, ITEM, goal=doubtful) == (FIND, "click[Features]")
    refuted = START, RESULTS, ITEM, FEATURES
    assert advice(*refuted, goal=goal) == (FIND, "click[Back to Search]")
    praised = page("Back to Search", "< Prev", "Rare beauty, quiet charm."), FEATURES[1]
    assert advice(START, RESULTS, ITEM, praised, goal=goal) == (FIND, "click[< Prev]")
    assert advice(START, RESULTS, ITEM, praised, ITEM, goal=goal) == (BUY, "click[red]")


def test_the_decisive_player_buys_where_the_adviser_is_in_doubt_but_not_what_cannot_fit() -> None:
    goal = GOAL.replace("acme lamps", "acme lamps with rare beauty, quiet charm")
    doubtful = goal.replace("color: red", "color: bright red")
    assert advice(START, RESULTS, ITEM, goal=doubtful, sure=DECISIVE) == (BUY, "click[red]")
    assert advice(START, RESULTS, OTHER, goal=goal, sure=DECISIVE) == (FIND, "click[Back to Search]")


def test_short_of_turns_it_buys_the_best_that_it_can_still_reach() -> None:
    assert advice(START, RESULTS, ITEM, RESULTS, OTHER, turns=9) == (FIND, "click[< Prev]")
    assert advice(START, RESULTS, ITEM, RESULTS, OTHER, turns=6) == (BUY, "click[Buy Now]")
    assert advice(START, RESULTS, ITEM, turns=3) == (BUY, "click[Buy Now]")


@given(st.text() | st.just(GOAL), TRANSCRIPTS.filter(bool), st.integers(0, 20), st.booleans())
def test_there_is_advice_on_any_page(
    goal: str, transcript: list[tuple[str, list[str]]], turns: int, options_shown: bool
) -> None:
    step = advise(goal, Memory.of(transcript), turns, options_shown)
    assert step.subgoal in (FIND, BUY)
    assert step.action.startswith(("search[", "click[")) and step.action.endswith("]")


class Played(NamedTuple):
    """Means over the episodes of some tasks."""

    bought: float
    won: float
    score: float
    turns: float


def play(shop: WebShop, tasks: tuple[Task, ...], mistakes: float = 0.0, player: str = "adviser") -> Played:
    environment, policy, random = shop.environment(), shop.policy(player, 0), Random(0)
    bought = won = score = turns = 0.0
    for task in tasks:
        observation, info = environment.reset(options={"task": task.id})
        policy.begin(observation, info)
        terminated = truncated = False
        while not (terminated or truncated):
            action = policy.act(observation, info).action
            if random.random() < mistakes:
                action = random.choice(info["admissible_actions"])
            observation, _, terminated, truncated, info = environment.step(action)
            turns += 1
        bought, won, score = bought + terminated, won + info["won"], score + info["score"]
    count = len(tasks)
    return Played(bought / count, won / count, score / count, turns / count)


def test_it_buys_in_every_real_episode_and_mostly_what_is_wanted() -> None:
    shop = real_shop(step_limit=TURNS)
    played = play(shop, sample(shop.tasks("valid"), 150))
    assert played.bought == 1.0
    assert played.won > 0.8 and played.score > 0.92


def test_the_decisive_player_reads_no_features_and_wins_almost_as_often() -> None:
    shop = real_shop(step_limit=TURNS)
    tasks = sample(shop.tasks("valid"), 150)
    played = play(shop, tasks, player="decisive")
    assert played.bought == 1.0
    assert played.won > 0.75 and played.score > 0.9
    assert played.turns < 5.2


def test_it_does_without_being_shown_what_is_chosen() -> None:
    shop = real_shop("hiper", TURNS)
    played = play(shop, sample(shop.tasks("valid"), 60))
    assert played.bought == 1.0 and played.won > 0.8


@pytest.mark.parametrize("step_limit", [3, 6, 9])
def test_it_buys_within_tighter_limits(step_limit: int) -> None:
    shop = synthetic_shop(step_limit=step_limit)
    assert play(shop, shop.tasks("valid")).bought == 1.0


def test_it_plays_well_after_what_others_did() -> None:
    shop = real_shop(step_limit=TURNS)
    played = play(shop, sample(shop.tasks("valid"), 100), mistakes=0.2)
    assert played.bought > 0.9 and played.won > 0.65


def test_its_subgoals_last_for_several_turns_and_it_repeats_itself_to_the_letter() -> None:
    shop = real_shop(step_limit=TURNS)
    environment, player = shop.environment(), shop.policy("adviser", 0)
    for task in sample(shop.tasks("train"), 40):
        runs = []
        for _ in range(2):
            observation, info = environment.reset(options={"task": task.id})
            player.begin(observation, info)
            steps, over = [], False
            while not over:
                steps.append(player.act(observation, info))
                observation, _, terminated, truncated, info = environment.step(steps[-1].action)
                over = terminated or truncated
            runs.append(steps)
        assert runs[0] == runs[1]
        assert [subgoal for subgoal, _ in groupby(step.subgoal for step in runs[0])] == [FIND, BUY]
