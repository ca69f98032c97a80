"""Knowledge of a room, gathered from the observations of an episode."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

_CONTENTS = re.compile(r"(?:On the |The )([a-z]+ \d+)(?: is open\. In it)?, you see (.*)\.")
_CLOSED = re.compile(r"The ([a-z]+ \d+) is closed\.|You close the ([a-z]+ \d+)\.")
_NAMED = re.compile(r"a ([a-z]+ \d+)")
_TAKE = re.compile(r"You pick up the ([a-z]+ \d+) from the ([a-z]+ \d+)\.")
_MOVE = re.compile(r"You move the ([a-z]+ \d+) to the ([a-z]+ \d+)\.")
_TREAT = re.compile(r"You (clean|heat|cool) the ([a-z]+ \d+) using")


@dataclass
class Memory:
    """What a transcript reveals. A name is like `mug 1`, a kind like `mug`."""

    places: tuple[str, ...] = ()
    contents: dict[str, set[str]] = field(default_factory=dict)
    """Names of the objects that were seen or put at each place."""
    shown: dict[str, int] = field(default_factory=dict)
    """Number, from 0, of the last observation that listed all contents of each place; places that were never
    looked into are missing."""
    closed: set[str] = field(default_factory=set)
    """Places that were closed when last seen."""
    held: str | None = None
    held_since: int = 0
    """Number of the observation in which the last object was picked up."""
    treatments: dict[str, set[str]] = field(default_factory=dict)
    """Treatments of each object: `clean`, and the last one of `heat` and `cool`."""

    @classmethod
    def of(cls, observations: Sequence[str]) -> Memory:
        """Reads all observations of an episode; the first one names the places."""
        memory = cls(places=tuple(_NAMED.findall(observations[0].partition("Your task")[0])))
        for number, observation in enumerate(observations):
            memory._note(number, observation)
        return memory

    def holding(self, kind: str) -> list[str]:
        """The places where an object of the kind is known to be."""
        return [place for place, names in self.contents.items() if any(kind_of(n) == kind for n in names)]

    def _note(self, number: int, observation: str) -> None:
        if found := _CONTENTS.search(observation):
            self.contents[found[1]] = set(_NAMED.findall(found[2]))
            self.shown[found[1]] = number
            self.closed.discard(found[1])
        elif found := _CLOSED.search(observation):
            self.closed.add(found[1] or found[2])
        elif found := _TAKE.search(observation):
            self.held, self.held_since = found[1], number
            self.contents.get(found[2], set()).discard(found[1])
        elif found := _MOVE.search(observation):
            self.held = None
            self.contents.setdefault(found[2], set()).add(found[1])
        elif found := _TREAT.search(observation):
            # Heating undoes cooling and the other way round; neither undoes cleaning.
            done = self.treatments.setdefault(found[2], set())
            if found[1] != "clean":
                done -= {"heat", "cool"}
            done.add(found[1])


def kind_of(name: str) -> str:
    """The kind of a named thing, such as `mug` for `mug 1`."""
    return name.split()[0]
