"""The rules and texts of the engine, on a kitchen small enough to check by eye."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.alfworld.episode import Episode
from environments.alfworld.task_types import TaskType
from tests.environments.alfworld.worlds import kitchen


def play(*actions: str, episode: Episode | None = None) -> Episode:
    """Carries out actions that must all be understood."""
    episode = episode or Episode(kitchen())
    for action in actions:
        assert episode.act(action) != "Nothing happens.", action
    return episode


def said(*actions: str) -> str:
    """What the last of the actions is answered."""
    return play(*actions[:-1]).act(actions[-1])


def test_introduction_lists_places_by_identifier_numbered_downwards() -> None:
    assert Episode(kitchen()).introduction() == (
        "-= Welcome to TextWorld, ALFRED! =-\n\n"
        "You are in the middle of a room. Looking quickly around you, you see a countertop 1, a drawer 2, "
        "a drawer 1, a fridge 1, a microwave 1, a shelf 1, and a sinkbasin 1.\n\n"
        "Your task is to: put some mug on drawer."
    )


def test_admissible_actions_are_sorted_and_leave_out_places_that_are_here() -> None:
    start = Episode(kitchen())
    go = [f"go to {place}" for place in ("countertop 1", "drawer 1", "drawer 2", "fridge 1", "microwave 1")]
    assert start.admissible == (*go, "go to shelf 1", "go to sinkbasin 1", "help", "inventory", "look")
    at_drawers = play("go to drawer 1")
    assert at_drawers.admissible == (
        "examine drawer 1", "examine drawer 2", "go to countertop 1", "go to fridge 1", "go to microwave 1",
        "go to shelf 1", "go to sinkbasin 1", "help", "inventory", "look", "open drawer 1", "open drawer 2",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("actions", "answer"),
    [
        (("look",), "You are in the middle of a room. Looking quickly around you, you see nothing."),
        (("inventory",), "You are not carrying anything."),
        (
            ("go to countertop 1",),
            "You arrive at countertop 1. On the countertop 1, you see a apple 2, a mug 2, and a plate 1.",
        ),
        (("go to drawer 2",), "You arrive at drawer 2. The drawer 2 is closed."),
        (
            ("go to drawer 2", "open drawer 2"),
            "You open the drawer 2. The drawer 2 is open. In it, you see a knife 1.",
        ),
        (("go to drawer 2", "open drawer 2", "close drawer 2"), "You close the drawer 2."),
        (
            ("go to drawer 2", "look"),
            "You are facing the drawer 2, and drawer 1. Next to it, you see nothing.",
        ),
        (("go to sinkbasin 1", "examine sinkbasin 1"), "On the sinkbasin 1, you see nothing."),
        (
            ("go to countertop 1", "take mug 2 from countertop 1"),
            "You pick up the mug 2 from the countertop 1.",
        ),
        (("go to countertop 1", "take mug 2 from countertop 1", "inventory"), "You are carrying: a mug 2."),
        (
            ("go to countertop 1", "take mug 2 from countertop 1", "examine mug 2"),
            "There's nothing special about mug 2.",
        ),
        (
            ("go to countertop 1", "take plate 1 from countertop 1", "examine plate 1"),
            "This is a normal plate 1. In it, you see a apple 2.",
        ),
        (
            ("go to countertop 1", "take mug 2 from countertop 1", "clean mug 2 with sinkbasin 1"),
            "You clean the mug 2 using the sinkbasin 1.",
        ),
        (("go to shelf 1", "use desklamp 1"), "You turn on the desklamp 1."),
        (("go to shelf 1", "use desklamp 1", "use desklamp 1"), "You turn on the desklamp 1."),
        (
            ("go to shelf 1",),
            "You arrive at shelf 1. On the shelf 1, you see a book 1, and a desklamp 1.",
        ),
    ],
)
def test_answers(actions: tuple[str, ...], answer: str) -> None:
    assert said(*actions) == answer


def test_heating_needs_no_opening_and_undoes_cooling() -> None:
    taken = ("go to countertop 1", "take mug 2 from countertop 1")
    cooled = play(*taken, "go to fridge 1", "cool mug 2 with fridge 1")
    assert cooled.act("examine mug 2") == "This is a cold mug 2."
    play("go to microwave 1", "heat mug 2 with microwave 1", episode=cooled)
    assert cooled.act("examine mug 2") == "This is a hot mug 2."
    play("go to sinkbasin 1", "clean mug 2 with sinkbasin 1", episode=cooled)
    assert cooled.act("examine mug 2") == "This is a hot and clean mug 2."


def test_a_knife_slices_what_is_here() -> None:
    armed = play("go to drawer 2", "open drawer 2", "take knife 1 from drawer 2", "go to countertop 1")
    assert [action for action in armed.admissible if action.startswith("slice")] == [
        "slice apple 2 with knife 1"
    ]
    assert armed.act("slice apple 2 with knife 1") == "You sliced the apple 2 with the knife 1."
    play(
        "go to drawer 1",
        "move knife 1 to drawer 2",
        "go to countertop 1",
        "take apple 2 from countertop 1",
        episode=armed,
    )
    assert armed.act("examine apple 2") == "This is a sliced apple 2."
    play("clean apple 2 with sinkbasin 1", episode=armed)
    assert armed.act("examine apple 2") == "This is a clean sliced apple 2."


def test_what_was_moved_at_one_spot_lies_next_to_it() -> None:
    moved = play(
        "go to drawer 1",
        "open drawer 1",
        "open drawer 2",
        "take mug 1 from drawer 1",
        "move mug 1 to drawer 2",
    )
    assert moved.act("look") == "You are facing the drawer 2, and drawer 1. Next to it, you see a mug 1."
    play("take mug 1 from drawer 2", "move mug 1 to drawer 1", episode=moved)
    assert moved.act("look") == "You are facing the drawer 2, and drawer 1. Next to it, you see a mug 1."


def test_places_take_only_what_belongs_there() -> None:
    carrying = play(
        "go to countertop 1", "take mug 2 from countertop 1", "go to microwave 1", "open microwave 1"
    )
    assert not any(action.startswith("move") for action in carrying.admissible)


def test_each_goal_is_reached_at_its_last_action() -> None:
    mug = ("go to countertop 1", "take mug 2 from countertop 1")
    put = ("go to drawer 1", "open drawer 1", "move mug 2 to drawer 1")
    lamp = ("go to countertop 1", "take mug 2 from countertop 1", "go to shelf 1", "use desklamp 1")
    won_by = {
        (TaskType.CLEAN, "Drawer"): (*mug, "clean mug 2 with sinkbasin 1", *put),
        (TaskType.HEAT, "Drawer"): (*mug, "go to microwave 1", "heat mug 2 with microwave 1", *put),
        (TaskType.COOL, "Drawer"): (*mug, "go to fridge 1", "cool mug 2 with fridge 1", *put),
        (TaskType.TWO, "Drawer"): (*mug, *put),
        (TaskType.LOOK, "DeskLamp"): lamp,
        (TaskType.PICK, "Fridge"): (*mug, "go to fridge 1", "open fridge 1", "move mug 2 to fridge 1"),
    }
    for (task_type, place), actions in won_by.items():
        episode = Episode(kitchen(task_type, "Mug", place))
        for action in actions:
            assert not episode.won, (task_type, action)
            episode.act(action)
        assert episode.won, task_type


def test_two_objects_must_share_one_receptacle() -> None:
    episode = Episode(kitchen(TaskType.TWO, "Mug", "Drawer"))
    apart = (
        "go to countertop 1",
        "take mug 2 from countertop 1",
        "go to drawer 2",
        "open drawer 2",
        "move mug 2 to drawer 2",
    )
    assert not play(*apart, episode=episode).won
    together = ("open drawer 1", "take mug 2 from drawer 2", "move mug 2 to drawer 1")
    assert play(*together, episode=episode).won


def test_a_win_can_be_undone() -> None:
    episode = Episode(kitchen(TaskType.PICK, "Mug", "Fridge"))
    play(
        "go to countertop 1",
        "take mug 2 from countertop 1",
        "go to fridge 1",
        "open fridge 1",
        episode=episode,
    )
    assert play("move mug 2 to fridge 1", episode=episode).won
    assert not play("take mug 2 from fridge 1", episode=episode).won


JUNK = (
    "",
    " ",
    "Look",
    "LOOK",
    "go to",
    "go to drawer 9",
    "take mug 2 from countertop 1",
    "look at me",
    "\x00",
    "é" * 9,
)


@pytest.mark.parametrize("action", [*JUNK, "look " * 200_000, "\x1b[2J", "go to drawer 1\ngo to drawer 2"])
def test_everything_else_changes_nothing(action: str) -> None:
    episode = Episode(kitchen())
    before = _state(episode)
    assert episode.act(action) == "Nothing happens."
    assert _state(episode) == before


def test_blanks_around_an_action_do_not_count() -> None:
    assert Episode(kitchen()).act("  look \n").startswith("You are in the middle")


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=40), st.lists(st.integers(0, 40), max_size=12))
def test_no_text_breaks_an_episode_or_changes_it_unseen(text: str, choices: list[int]) -> None:
    episode = Episode(kitchen())
    for choice in choices:
        episode.act(episode.admissible[choice % len(episode.admissible)])
    before, understood = _state(episode), text.strip() in episode.admissible
    answer = episode.act(text)
    assert understood or (answer == "Nothing happens." and _state(episode) == before)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 40), max_size=20), st.lists(st.integers(0, 40), min_size=1, max_size=10))
def test_a_copy_goes_its_own_way(shared: list[int], later: list[int]) -> None:
    episode = Episode(kitchen())
    for choice in shared:
        episode.act(episode.admissible[choice % len(episode.admissible)])
    before, twin = _state(episode), episode.copy()
    answers = [twin.act(twin.admissible[choice % len(twin.admissible)]) for choice in later]
    assert _state(episode) == before
    assert [episode.act(episode.admissible[choice % len(episode.admissible)]) for choice in later] == answers
    assert _state(episode) == _state(twin)


def _state(episode: Episode) -> dict[str, object]:
    values = {name: getattr(episode, name) for name in Episode.__slots__ if name != "game"}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
