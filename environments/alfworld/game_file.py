"""Reading `game.tw-pddl` files: JSON with PDDL rules, a text grammar, a PDDL problem and a walkthrough."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from environments.alfworld.errors import GameFileError

KNOWN_DOMAINS = frozenset(
    {
        "0af55e7f92d12b09d28515aa730e4d03fddd17228ef1fd7b18a3ee8ba49b27b9",
        "f1473041ed01da514de1f87adfd7ef0804862361f83ccf63c75e43633b0eb280",
    }
)
"""SHA-256 of the PDDL domains whose rules the engine follows: those of games 2.1.3 and of alfworld 0.4.2."""

KNOWN_GRAMMARS = frozenset(
    {
        "0597b9bb89eb98597ef8313a9316d62a29f39e81bf5dbcf048bad4da675eecde",
        "d425fe0f52e3875dc1bcbc143669a83079734dddf3e14416f82ee02efa9bba9c",
    }
)
"""SHA-256 of the text grammars that the engine follows, without the words of the task; likewise."""

_TASK = re.compile(r'"Your task is to: ([^"#{}\[\]|;<>\\]*)"')


@dataclass(frozen=True)
class GameFile:
    """The parts of a game file that the engine needs."""

    problem: str
    """PDDL problem."""
    goal_text: str
    """Task as the first observation words it, such as `put a mug in desk.`"""
    walkthrough: tuple[str, ...]
    """Actions of which the last one wins."""


def parse_game_file(text: str | bytes, origin: str) -> GameFile:
    """Reads the text of a `game.tw-pddl`; `GameFileError` names `origin` and what is wrong with it."""
    content = _json(text, origin)
    fields: dict[str, Any] = {}
    for name in ("pddl_domain", "grammar", "pddl_problem"):
        fields[name] = content.get(name)
        if not isinstance(fields[name], str):
            raise GameFileError(origin, f"it has no text named {name!r}, so it is not a game.tw-pddl file")
    walkthrough = content.get("walkthrough") or ()
    if not isinstance(walkthrough, list | tuple) or not all(isinstance(step, str) for step in walkthrough):
        raise GameFileError(origin, "its walkthrough is not a list of actions")
    if content.get("solvable") is False:
        raise GameFileError(origin, "it is marked as unsolvable; ALFWorld itself does not play it either")
    goal_text = _checked_rules(fields["pddl_domain"], fields["grammar"], origin)
    return GameFile(fields["pddl_problem"], goal_text, tuple(walkthrough))


def _json(text: str | bytes, origin: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise GameFileError(origin, f"it is cut off or not JSON ({error})") from None
    if not isinstance(content, dict):
        raise GameFileError(origin, "it does not hold a JSON object, so it is not a game.tw-pddl file")
    return content


def _checked_rules(domain: str, grammar: str, origin: str) -> str:
    """The task in words; refuses rules and texts that the engine does not know."""
    tasks: list[str] = _TASK.findall(grammar)
    if len(tasks) != 1:
        raise GameFileError(origin, f"its grammar must state one task, but states {len(tasks)}")
    known = _digest(domain) in KNOWN_DOMAINS and _digest(_TASK.sub("", grammar)) in KNOWN_GRAMMARS
    if not known:
        raise GameFileError(
            origin,
            "its rules or texts are not those of alfworld 0.4.2 or of the games 2.1.3; environment.backend = "
            "textworld may be able to play it",
        )
    return tasks[0]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
