"""Plans a winning walkthrough of a game, knowing where everything is."""

from __future__ import annotations

from environments.alfworld.episode import Episode
from environments.alfworld.game import Game, Receptacle
from environments.alfworld.task_types import TREATMENTS, TaskType


def plan(game: Game) -> tuple[str, ...] | None:
    """Actions of which the last one, and none before it, wins; None if this simple planner finds no way.

    It fetches one object after the other, treats it if the goal asks for that, and puts it where it belongs.
    """
    planner = _Planner(game)
    if planner.episode.won or not planner.fulfil():
        return None
    return tuple(planner.actions)


class _Planner:
    def __init__(self, game: Game) -> None:
        self.game = game
        self.episode = Episode(game)
        self.actions: list[str] = []

    def fulfil(self) -> bool:
        kind = self.game.goal.task_type
        if kind is TaskType.LOOK:
            return self._look()
        for place in self._goal_places():
            left = self._reachable_targets(place)
            if kind is TaskType.TWO:
                needed = 2 - (self.game.targets & self.game.contents[place.index]).bit_count()
                if len(left) >= needed:
                    return all(self._deliver(target, place) for target in left[:needed])
            elif left:
                return self._deliver(left[0], place)
        return False

    def _look(self) -> bool:
        lamps = self._holders(self.game.lamps)
        targets = self._reachable_targets()
        if not lamps or not targets:
            return False
        lamp, place = lamps[0]
        return (
            self._fetch(targets[0]) and self._approach(place) and self._do(f"use {self.game.objects[lamp]}")
        )

    def _deliver(self, target: tuple[int, Receptacle], place: Receptacle) -> bool:
        name = self.game.objects[target[0]]
        return (
            self._fetch(target)
            and self._treat(name)
            and (self.episode.won or (self._access(place) and self._do(f"move {name} to {place.name}")))
        )

    def _fetch(self, target: tuple[int, Receptacle]) -> bool:
        index, place = target
        return self._access(place) and self._do(f"take {self.game.objects[index]} from {place.name}")

    def _treat(self, name: str) -> bool:
        if self.game.goal.task_type not in TREATMENTS:
            return True
        verb, kind = TREATMENTS[self.game.goal.task_type]
        tool = next(
            (place for place in self.game.receptacles if place.type == kind and place.location >= 0), None
        )
        return tool is not None and self._approach(tool) and self._do(f"{verb} {name} with {tool.name}")

    def _access(self, place: Receptacle) -> bool:
        if not self._approach(place):
            return False
        closed = place.openable and not self.episode.opened >> place.index & 1
        return self._do(f"open {place.name}") if closed else True

    def _approach(self, place: Receptacle) -> bool:
        return self.episode.location == place.location or self._do(f"go to {place.name}")

    def _do(self, action: str) -> bool:
        if action not in self.episode.admissible:
            return False
        self.episode.act(action)
        self.actions.append(action)
        return True

    def _goal_places(self) -> list[Receptacle]:
        places = [self.game.receptacles[index] for index in self.game.goal_receptacles]
        return [place for place in places if place.location >= 0 and place.accepts & self.game.targets]

    def _reachable_targets(self, place: Receptacle | None = None) -> list[tuple[int, Receptacle]]:
        """Objects that can fulfil the goal, with the place to take each from; those in the open come first.

        Those already in `place`, where they belong, come last, or not at all in tasks with two objects.
        """
        found = self._holders(self.game.targets & self.game.features.pickupable)
        settled = self.game.contents[place.index] if place is not None else 0
        if self.game.goal.task_type is TaskType.TWO:
            found = [(target, holder) for target, holder in found if not settled >> target & 1]
        return sorted(found, key=lambda found: (settled >> found[0] & 1, found[1].openable))

    def _holders(self, mask: int) -> list[tuple[int, Receptacle]]:
        found: dict[int, Receptacle] = {}
        for place in self.game.receptacles:
            for name in self.game.names(mask & self.game.contents[place.index]):
                if place.location >= 0:
                    found.setdefault(self.game.object_index[name], place)
        return list(found.items())
