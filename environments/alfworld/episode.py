"""One episode of a game: its state as a few integers, the rules that change it, and the texts.

The rules and texts are those of `alfred.pddl` and `alfred.twl2` of the alfworld package, written out as code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from environments.alfworld.game import Game, Receptacle
from environments.alfworld.task_types import TaskType
from environments.alfworld.texts import HELP, NOTHING_HAPPENS, WELCOME, listed, object_state

_NOBODY = -1


class Episode:
    """The changing state of a game. Sets of objects are bit masks: bit i stands for object i of the game.

    `admissible` lists the actions that are possible in the current state. `act` accepts exactly these, with
    blanks around them ignored, and answers everything else with "Nothing happens.", as TextWorld does.
    """

    __slots__ = (
        "admissible",
        "clean",
        "contents",
        "cool",
        "game",
        "held",
        "hot",
        "location",
        "opened",
        "present",
        "removed",
        "sliced",
        "toggled",
        "won",
    )

    def __init__(self, game: Game) -> None:
        self.game = game
        self.location = game.start
        self.held = _NOBODY
        self.contents = list(game.contents)
        self.present = list(game.present)
        self.removed = [0] * len(game.contents)
        self.opened = game.opened
        self.clean = game.features.clean
        self.hot = game.features.hot
        self.cool = game.features.cool
        self.toggled = game.features.toggled
        self.sliced = game.features.sliced
        self._changed()

    def copy(self) -> Self:
        """An independent episode in the same state; the game is shared."""
        twin = object.__new__(type(self))
        for name in Episode.__slots__:
            setattr(twin, name, getattr(self, name))
        twin.contents = self.contents.copy()
        twin.present = self.present.copy()
        twin.removed = self.removed.copy()
        return twin

    def introduction(self) -> str:
        """The text that a player reads at the start, before the first action."""
        game = self.game
        if game.locations[self.location].receptacles:
            surroundings = self._surroundings()
        else:
            places = [place.name for place in game.receptacles if place.location >= 0]
            surroundings = _MIDDLE.format(listed(places))
        return f"{WELCOME}\n\n{surroundings}\n\nYour task is to: {game.goal_text}"

    def act(self, command: str) -> str:
        """Carries out `command` and returns the text that the player reads."""
        command = command.strip()
        if command not in self.admissible:
            return NOTHING_HAPPENS
        verb, _, rest = command.partition(" ")
        return _VERBS[verb](self, rest)

    def _changed(self) -> None:
        """Updates `admissible` and `won`; called after changes that can affect the possible actions."""
        self.admissible = self._commands()
        self.won = self._is_won()

    def _is_won(self) -> bool:
        game = self.game
        kind, targets = game.goal.task_type, game.targets
        if kind is TaskType.LOOK:
            # The lamp must be at the player's location, and the object in the player's hand.
            lit = game.lamps & self.toggled
            here = game.locations[self.location].receptacles
            lamp_here = any(lit & self.contents[place.index] for place in here) if lit else False
            return lamp_here and self.held >= 0 and bool(targets >> self.held & 1)
        contents = self.contents
        if kind is TaskType.TWO:
            return any((targets & contents[place]).bit_count() > 1 for place in game.goal_receptacles)
        if kind is TaskType.CLEAN:
            targets &= self.clean
        elif kind is TaskType.HEAT:
            targets &= self.hot
        elif kind is TaskType.COOL:
            targets &= self.cool
        return any(targets & contents[place] for place in game.goal_receptacles) if targets else False

    def _accessible(self, place: Receptacle) -> bool:
        return not place.openable or bool(self.opened >> place.index & 1)

    def _commands(self) -> tuple[str, ...]:
        game = self.game
        here = game.locations[self.location]
        commands = ["help", "inventory", "look", *here.go_to, *here.examine]
        for place in here.receptacles:
            if place.openable:
                commands.append(f"{'close' if self.opened >> place.index & 1 else 'open'} {place.name}")
            # Unlike `take`, the PDDL rule for `use` does not ask whether the receptacle is open.
            if lamps := self.contents[place.index] & game.features.toggleable:
                commands += [f"use {name}" for name in game.names(lamps)]
        commands += self._take_commands() if self.held < 0 else self._held_commands()
        # A set, because a problem may put one lamp into two receptacles here, which gives `use` twice.
        return tuple(sorted(set(commands)))

    def _take_commands(self) -> list[str]:
        game = self.game
        return [
            f"take {name} from {place.name}"
            for place in game.locations[self.location].receptacles
            if self._accessible(place)
            for name in game.names(self.contents[place.index] & game.features.pickupable)
        ]

    def _held_commands(self) -> list[str]:
        game = self.game
        here, features, held = game.locations[self.location], game.features, 1 << self.held
        name = game.objects[self.held]
        commands = [f"examine {name}"]
        commands += [
            f"move {name} to {place.name}"
            for place in here.receptacles
            if place.accepts & held and self._accessible(place)
        ]
        if features.cleanable & held:
            commands += [f"clean {name} with {sink}" for sink in here.sinks]
        if features.heatable & held:
            commands += [f"heat {name} with {microwave}" for microwave in here.microwaves]
        if features.coolable & held:
            commands += [f"cool {name} with {fridge}" for fridge in here.fridges]
        # By location, not by receptacle: the PDDL rule lets a knife reach into closed receptacles.
        if features.knife & held:
            sliceable = game.names(self.present[self.location] & features.sliceable)
            commands += [f"slice {other} with {name}" for other in sliceable]
        return commands

    def _help(self, _: str) -> str:
        return HELP

    def _inventory(self, _: str) -> str:
        if self.held < 0:
            return "You are not carrying anything."
        return f"You are carrying: a {self.game.objects[self.held]}."

    def _look(self, _: str) -> str:
        if self.game.locations[self.location].receptacles:
            return self._surroundings()
        # Unlike the first observation, the grammar's answer to `look` does not list the room's places.
        return _MIDDLE.format("nothing")

    def _surroundings(self) -> str:
        """The text of `look`.

        Objects are "next to" the receptacles here if they were once taken out of one of them and are now at
        this location again: what the grammar's condition amounts to, although that is hardly what it means.
        """
        game = self.game
        here = game.locations[self.location].receptacles
        beside = [
            name
            for name in game.names(self.present[self.location])
            for place in here
            if self.removed[place.index] >> game.object_index[name] & 1
        ]
        return (
            f"You are facing the {listed([p.name for p in here], '')}. Next to it, you see {listed(beside)}."
        )

    def _examine(self, name: str) -> str:
        index = self.game.receptacle_index.get(name)
        if index is None:
            return self._describe_object(self.held)
        return self._describe_receptacle(self.game.receptacles[index])

    def _describe_object(self, index: int) -> str:
        game, bit = self.game, 1 << index
        name = game.objects[index]
        if game.features.container & bit:
            inside = dict(game.inside).get(index, 0)
            return f"This is a normal {name}. In it, you see {listed(game.names(inside))}."
        return object_state(
            name,
            clean=bool(self.clean & bit),
            hot=bool(self.hot & bit),
            cool=bool(self.cool & bit),
            sliced=bool(self.sliced & bit),
            toggled=bool(self.toggled & game.features.toggleable & bit),
        )

    def _describe_receptacle(self, place: Receptacle) -> str:
        if not self._accessible(place):
            return f"The {place.name} is closed."
        seen = listed(self.game.names(self.contents[place.index]))
        if place.openable:
            return f"The {place.name} is open. In it, you see {seen}."
        return f"On the {place.name}, you see {seen}."

    def _go(self, rest: str) -> str:
        place = self._place(rest.removeprefix("to "))
        self.location = place.location
        self._changed()
        return f"You arrive at {place.name}. {self._describe_receptacle(place)}"

    def _open(self, name: str) -> str:
        place = self._place(name)
        self.opened |= 1 << place.index
        self._changed()
        return f"You open the {name}. {self._describe_receptacle(place)}"

    def _close(self, name: str) -> str:
        self.opened &= ~(1 << self._place(name).index)
        self._changed()
        return f"You close the {name}."

    def _take(self, rest: str) -> str:
        name, _, source = rest.partition(" from ")
        place, index = self._place(source).index, self.game.object_index[name]
        self.contents[place] &= ~(1 << index)
        self.removed[place] |= 1 << index
        # Held objects are at no location; `slice` and `look` depend on it.
        self.present[self.location] &= ~(1 << index)
        self.held = index
        self._changed()
        return f"You pick up the {name} from the {source}."

    def _move(self, rest: str) -> str:
        name, _, target = rest.partition(" to ")
        place, bit = self._place(target).index, 1 << self.held
        self.contents[place] |= bit
        self.removed[place] &= ~bit
        self.present[self.location] |= bit
        self.held = _NOBODY
        self._changed()
        return f"You move the {name} to the {target}."

    def _clean(self, rest: str) -> str:
        self.clean |= 1 << self.held
        return self._treated("clean", rest)

    def _heat(self, rest: str) -> str:
        self.hot |= 1 << self.held
        self.cool &= ~(1 << self.held)
        return self._treated("heat", rest)

    def _cool(self, rest: str) -> str:
        self.cool |= 1 << self.held
        self.hot &= ~(1 << self.held)
        return self._treated("cool", rest)

    def _treated(self, verb: str, rest: str) -> str:
        name, _, tool = rest.partition(" with ")
        # No `_changed`: treating an object can win, but never affects which actions are possible.
        self.won = self._is_won()
        return f"You {verb} the {name} using the {tool}."

    def _use(self, name: str) -> str:
        # Using a lamp again does not switch it off: no rule takes `isToggled` away.
        self.toggled |= 1 << self.game.object_index[name]
        self.won = self._is_won()
        return f"You turn on the {name}."

    def _slice(self, rest: str) -> str:
        name, _, knife = rest.partition(" with ")
        self.sliced |= 1 << self.game.object_index[name]
        return f"You sliced the {name} with the {knife}."

    def _place(self, name: str) -> Receptacle:
        return self.game.receptacles[self.game.receptacle_index[name]]


_MIDDLE = "You are in the middle of a room. Looking quickly around you, you see {}."

_VERBS: dict[str, Callable[[Episode, str], str]] = {
    "help": Episode._help,
    "inventory": Episode._inventory,
    "look": Episode._look,
    "examine": Episode._examine,
    "go": Episode._go,
    "open": Episode._open,
    "close": Episode._close,
    "take": Episode._take,
    "move": Episode._move,
    "clean": Episode._clean,
    "heat": Episode._heat,
    "cool": Episode._cool,
    "use": Episode._use,
    "slice": Episode._slice,
}
