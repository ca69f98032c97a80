"""A scene as a PDDL problem, fact by fact."""

from __future__ import annotations

from environments.alfworld.generator.draw import Draw
from environments.alfworld.generator.problem_text import mangled, problem_text
from environments.alfworld.generator.scene import Scene, Thing
from environments.alfworld.goals import Goal
from environments.alfworld.problem import parse_problem
from environments.alfworld.task_types import TaskType
from tests.environments.alfworld.generator.rooms import COUNTER, FRIDGE, WORLD

APPLE = Thing("Apple|+01.05|+00.95|-02.10", "Apple", COUNTER)
MUG = Thing("Mug|-01.00|+00.10|+00.45", "Mug", FRIDGE)
SCENE = Scene(
    draw=Draw(TaskType.COOL, "Mug", "CounterTop", 7),
    places=(COUNTER, FRIDGE),
    things=(APPLE, MUG),
    start=(2.75, -3.0, 180, 30),
)
GOAL = Goal(TaskType.COOL, "mug", "countertop")
TEXT = problem_text(SCENE, GOAL, WORLD, "trial_G0")

COUNTER_NAME = "countertop_bar__plus_01_dot_00_bar__plus_00_dot_90_bar__minus_02_dot_00"
FRIDGE_NAME = "fridge_bar__minus_01_dot_00_bar__plus_00_dot_00_bar__plus_00_dot_50"
APPLE_NAME = "apple_bar__plus_01_dot_05_bar__plus_00_dot_95_bar__minus_02_dot_10"
MUG_NAME = "mug_bar__minus_01_dot_00_bar__plus_00_dot_10_bar__plus_00_dot_45"


def test_identifiers_are_spelled_without_signs() -> None:
    assert mangled("Mug|-01.00|+00.10|+00,45") == (
        "Mug_bar__minus_01_dot_00_bar__plus_00_dot_10_bar__plus_00_comma_45"
    )
    assert mangled("loc|-4|2|3|45") == "loc_bar__minus_4_bar_2_bar_3_bar_45"


def test_its_facts_are_those_of_the_scene() -> None:
    problem = parse_problem(TEXT, "scene")
    # Steps of 25 cm, quarter turns: (0.25, -0.5, 90, 30) and (-1.0, 0.5, 270, 45).
    counter_spot, fridge_spot = "loc_bar_1_bar__minus_2_bar_1_bar_30", "loc_bar__minus_4_bar_2_bar_3_bar_45"
    assert problem.pairs == {
        "receptacleType": ((COUNTER_NAME, "countertoptype"), (FRIDGE_NAME, "fridgetype")),
        "receptacleAtLocation": ((COUNTER_NAME, counter_spot), (FRIDGE_NAME, fridge_spot)),
        "objectType": ((APPLE_NAME, "appletype"), (MUG_NAME, "mugtype")),
        "inReceptacle": ((APPLE_NAME, COUNTER_NAME), (MUG_NAME, FRIDGE_NAME)),
        "objectAtLocation": ((APPLE_NAME, counter_spot), (MUG_NAME, fridge_spot)),
        "inReceptacleObject": (),
        "canContain": (
            ("countertoptype", "appletype"),
            ("countertoptype", "mugtype"),
            ("fridgetype", "appletype"),
            ("fridgetype", "mugtype"),
        ),
        "atLocation": (("agent1", "loc_bar_11_bar__minus_12_bar_2_bar_30"),),
    }
    assert problem.goal == GOAL


def test_its_marks_are_those_of_the_classes() -> None:
    marks = {name: set(marked) for name, marked in parse_problem(TEXT, "scene").marks.items() if marked}
    assert marks == {
        "openable": {FRIDGE_NAME},
        "pickupable": {APPLE_NAME, MUG_NAME},
        "cleanable": {MUG_NAME},
        "heatable": {APPLE_NAME, MUG_NAME},
        "coolable": {APPLE_NAME, MUG_NAME},
        "sliceable": {APPLE_NAME},
        "isReceptacleObject": {MUG_NAME},
    }


def test_a_lamp_can_be_switched_on_and_not_taken() -> None:
    lamp = Thing("DeskLamp|+01.00|+00.90|-02.00", "DeskLamp", COUNTER)
    scene = Scene(SCENE.draw, SCENE.places, (*SCENE.things, lamp), SCENE.start)
    marks = parse_problem(problem_text(scene, GOAL, WORLD, "trial_G0"), "scene").marks
    (name,) = marks["toggleable"]
    assert name.startswith("desklamp_bar_") and name not in marks["pickupable"]


def test_the_types_that_the_rules_mention_are_always_declared() -> None:
    for name in (" KnifeType - otype", " ButterKnifeType - otype", " MicrowaveType - rtype"):
        assert TEXT.count(name) == 1
    assert TEXT.count("FridgeType - rtype") == 1
    assert TEXT.startswith("\n(define (problem plan_trial_G0)\n(:domain alfred)")
