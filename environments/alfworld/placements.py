"""How often objects of a kind are found at places of a kind when a game starts.

`placements.json` holds the shares counted in the 3,553 training games of ALFWorld 2.1.3. It is made by
`bazel run //environments/alfworld:count_placements`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from environments.alfworld.game import Game

FILE = Path(__file__).with_name("placements.json")
_DECIMALS = 4
_RARE = 10.0**-_DECIMALS
"""Share of a pair that never occurred: unlikely, but not impossible."""


@dataclass(frozen=True)
class Placements:
    """Where objects usually are. Kinds are lower case, such as `mug` and `coffeemachine`."""

    shares: dict[str, dict[str, float]]
    """Share, by kind of object and kind of place: of all such places in games with such an object, those that
    hold at least one at the start. Pairs that never occurred are left out."""

    def share(self, object_kind: str, place_kind: str) -> float:
        """The share of a pair, in (0, 1]; pairs that never occurred, or of unknown kinds, get a small one."""
        return max(self.shares.get(object_kind, {}).get(place_kind, 0.0), _RARE)


@cache
def training_placements() -> Placements:
    """The shares that are shipped with this package."""
    return Placements(json.loads(FILE.read_text())["shares"])


def count_placements(games: Iterable[Game]) -> Placements:
    """Counts where the objects are when the games start; leaves out places that cannot be reached."""
    places: Counter[tuple[str, str]] = Counter()
    holding: Counter[tuple[str, str]] = Counter()
    for game in games:
        kinds = set(game.object_types)
        for place in game.receptacles:
            if place.location < 0:
                continue
            contents = game.contents[place.index]
            held = {kind for index, kind in enumerate(game.object_types) if contents >> index & 1}
            places.update((kind, place.type) for kind in kinds)
            holding.update((kind, place.type) for kind in held)
    shares: dict[str, dict[str, float]] = {}
    for pair in sorted(holding):
        shares.setdefault(pair[0], {})[pair[1]] = round(holding[pair] / places[pair], _DECIMALS)
    return Placements(shares)
