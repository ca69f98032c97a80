"""A small kitchen and a world of few classes, from which scenes can be worked out by hand."""

from __future__ import annotations

from environments.alfworld.generator.package import Place, Room, World

COUNTER = Place("CounterTop|+01.00|+00.90|-02.00", "CounterTop", (0.25, -0.5, 90, 30))
FRIDGE = Place("Fridge|-01.00|+00.00|+00.50", "Fridge", (-1.0, 0.5, 270, 45))
SHELF = Place("Shelf|+00.00|+01.50|+00.00", "Shelf", (0.5, 0.5, 0, 30))
SINK = Place("Sink|+02.00|+00.90|-02.00|SinkBasin", "SinkBasin", (0.5, -0.5, 90, 30))

KITCHEN = Room(
    scene=7,
    places=(COUNTER, FRIDGE, SHELF, SINK),
    classes=frozenset({"Mug", "Apple", "Book", "DeskLamp", "Toaster", "CounterTop", "Fridge", "Shelf"}),
)

WORLD = World(
    rooms=(KITCHEN,),
    accepts={
        "CounterTop": frozenset({"Mug", "Apple", "Book", "Bowl"}),
        "Fridge": frozenset({"Mug", "Apple"}),
        "Shelf": frozenset({"Mug", "Book"}),
        "SinkBasin": frozenset({"Mug"}),
    },
    actions={
        "Cleanable": frozenset({"Mug"}),
        "Heatable": frozenset({"Mug", "Apple"}),
        "Coolable": frozenset({"Mug", "Apple"}),
        "Toggleable": frozenset({"DeskLamp"}),
        "Sliceable": frozenset({"Apple"}),
    },
    openable=frozenset({"Fridge"}),
    containers=frozenset({"Mug", "Bowl"}),
    domain="(define (domain alfred))",
    grammar="UNKNOWN GOAL.",
)
