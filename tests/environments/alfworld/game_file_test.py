"""Game files that are broken, or not ALFWorld's."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configuration.environment import GeneratorSettings
from environments.alfworld.compiler import load_game
from environments.alfworld.errors import GameFileError
from environments.alfworld.generator import GeneratedSource

SOURCE = GeneratedSource(GeneratorSettings(games=1), seed=0)
GAME = SOURCE.read(SOURCE.tasks()[0].id)


def changed(**fields: object) -> str:
    """The game with some fields replaced; None drops one."""
    content = {**json.loads(GAME), **fields}
    return json.dumps({name: value for name, value in content.items() if value is not None})


def problem_with(change: Callable[[str], str]) -> str:
    return changed(pddl_problem=change(json.loads(GAME)["pddl_problem"]))


def test_the_game_itself_loads() -> None:
    assert load_game(GAME, "x").walkthrough


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "cut off or not JSON"),
        (GAME[:5000], "cut off or not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not hold a JSON object"),
        ('"game"', "not hold a JSON object"),
        ("{}", "no text named 'pddl_domain'"),
        (changed(grammar=None), "no text named 'grammar'"),
        (changed(pddl_problem=7), "no text named 'pddl_problem'"),
        (changed(walkthrough="look"), "walkthrough"),
        (changed(walkthrough=[1, 2]), "walkthrough"),
        (changed(solvable=False), "unsolvable"),
        (changed(pddl_domain="(define (domain blocks))"), "rules or texts"),
        (changed(grammar="Your task"), "must state one task, but states 0"),
        (changed(grammar='x "Your task is to: win."'), "rules or texts"),
        (changed(pddl_problem="(define (problem p))"), "must have :objects, :init and :goal"),
        (problem_with(lambda text: text[: len(text) // 2]), "parentheses do not match"),
        (
            problem_with(lambda text: text.replace("(atLocation agent1", "(near agent1")),
            "a fact that initial states of ALFWorld never have",
        ),
        (
            problem_with(lambda text: text.replace("(atLocation agent1", "(openable agent1")),
            "a fact that initial states of ALFWorld never have",
        ),
        (problem_with(lambda text: text.replace("(:goal (and", "(:goal (or")), "none of the six forms"),
        (problem_with(lambda text: text.replace("agent1 - agent", "")), "does not declare"),
        (
            problem_with(lambda text: text.replace("(receptacleType ", "(openable ", 1)),
            "a fact that initial states of ALFWorld never have",
        ),
    ],
)
def test_broken_and_foreign_files_are_refused_with_their_name_and_the_reason(
    text: str | bytes, reason: str
) -> None:
    with pytest.raises(GameFileError, match="some/game.tw-pddl: .*" + reason):
        load_game(text, "some/game.tw-pddl")


@settings(deadline=None, max_examples=60)
@given(st.integers(0, len(GAME) - 1))
def test_no_cut_loads_or_crashes(length: int) -> None:
    with pytest.raises(GameFileError):
        load_game(GAME[:length], "cut")


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_facts_in_any_number_are_played_or_refused(data: st.DataObject) -> None:
    lines = json.loads(GAME)["pddl_problem"].splitlines()
    dropped = data.draw(st.sets(st.integers(0, len(lines) - 1), max_size=5))
    text = changed(pddl_problem="\n".join(line for n, line in enumerate(lines) if n not in dropped))
    try:
        load_game(text, "thinned")
    except GameFileError as error:
        assert "thinned" in str(error)
