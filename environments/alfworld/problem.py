"""Reads the PDDL problem of an ALFWorld game into facts."""

from __future__ import annotations

import re
from dataclasses import dataclass

from environments.alfworld.errors import GameFileError
from environments.alfworld.goals import Goal, parse_goal

ARITY: dict[str, int] = {
    "atLocation": 2,
    "receptacleAtLocation": 2,
    "objectAtLocation": 2,
    "receptacleType": 2,
    "objectType": 2,
    "inReceptacle": 2,
    "inReceptacleObject": 2,
    "canContain": 2,
    "openable": 1,
    "opened": 1,
    "isReceptacleObject": 1,
    "isClean": 1,
    "cleanable": 1,
    "isHot": 1,
    "heatable": 1,
    "isCool": 1,
    "coolable": 1,
    "pickupable": 1,
    "moveable": 1,
    "toggleable": 1,
    "isToggled": 1,
    "isOn": 1,
    "sliceable": 1,
    "isSliced": 1,
}
"""Predicates that an initial state may use, with their number of arguments."""

_FACT = re.compile(r"\(\s*(\w+)\s+([^\s()]+)(?:\s+([^\s()]+))?\s*\)")
_COMMENT = re.compile(r";[^\n]*")


@dataclass(frozen=True)
class Problem:
    """Facts by predicate, with all names in lower case and without duplicates; and the goal."""

    pairs: dict[str, tuple[tuple[str, str], ...]]
    """Facts with two arguments, in the order of the file."""
    marks: dict[str, frozenset[str]]
    """Facts with one argument."""
    goal: Goal


def parse_problem(text: str, origin: str) -> Problem:
    """Reads the problem; `GameFileError` names `origin` and what differs from ALFWorld's problems."""
    text = _COMMENT.sub("", text) if ";" in text else text
    if text.count("(") != text.count(")"):
        raise GameFileError(origin, "its PDDL problem is cut off: the parentheses do not match")
    objects, init, goal = _sections(text, origin)
    pairs: dict[str, dict[tuple[str, str], None]] = {name: {} for name, arity in ARITY.items() if arity == 2}
    marks: dict[str, set[str]] = {name: set() for name, arity in ARITY.items() if arity == 1}
    for predicate, first, second in _facts(init.lower(), origin):
        if second and predicate in _PAIRS:
            pairs[_PAIRS[predicate]][first, second] = None
        elif not second and predicate in _MARKS:
            marks[_MARKS[predicate]].add(first)
        else:
            raise _foreign(f"({predicate} {first} {second})", origin)
    parsed_goal = parse_goal(goal)
    if parsed_goal is None:
        raise GameFileError(origin, "its goal has none of the six forms that ALFWorld uses")
    problem = Problem(
        {name: tuple(facts) for name, facts in pairs.items()},
        {name: frozenset(facts) for name, facts in marks.items()},
        parsed_goal,
    )
    _check_declared(problem, objects.lower(), origin)
    return problem


_PAIRS = {name.lower(): name for name, arity in ARITY.items() if arity == 2}
_MARKS = {name.lower(): name for name, arity in ARITY.items() if arity == 1}


def _sections(text: str, origin: str) -> tuple[str, str, str]:
    """The texts of the `:objects`, `:init` and `:goal` sections."""
    starts = [text.find(mark) for mark in ("(:objects", "(:init", "(:goal")]
    if -1 in starts or starts != sorted(starts):
        raise GameFileError(origin, "its PDDL problem must have :objects, :init and :goal, in this order")
    objects, init, goal = starts
    return text[objects:init], text[init + len("(:init") : goal], text[goal:]


def _facts(init: str, origin: str) -> list[tuple[str, str, str]]:
    """Predicate and arguments of each fact; the second argument is empty where there is one only."""
    # Without this check, `(not (opened x))` would be read as the fact inside it.
    rest = " ".join(_FACT.sub("", init).split())
    if rest != ")":
        raise _foreign(rest.removesuffix(")").strip()[:80], origin)
    return _FACT.findall(init)


def _foreign(fact: str, origin: str) -> GameFileError:
    return GameFileError(
        origin, f"its PDDL problem states {fact}, a fact that initial states of ALFWorld never have"
    )


def _check_declared(problem: Problem, objects: str, origin: str) -> None:
    declared = set(objects.replace(")", " ").split())
    named = {name for facts in problem.pairs.values() for pair in facts for name in pair}
    named |= {name for facts in problem.marks.values() for name in facts}
    if missing := sorted(named - declared):
        raise GameFileError(origin, f"its PDDL problem uses {missing[0]}, which it does not declare")
