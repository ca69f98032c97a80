"""Where objects usually are."""

from __future__ import annotations

from environments.alfworld.placements import count_placements, training_placements
from tests.environments.alfworld.worlds import kitchen


def test_shares_are_of_the_places_of_a_kind() -> None:
    shares = count_placements([kitchen()]).shares
    assert shares["mug"] == {"countertop": 1.0, "drawer": 0.5}
    assert shares["apple"] == {"countertop": 1.0, "fridge": 1.0}
    assert shares["desklamp"] == {"shelf": 1.0}
    assert count_placements([kitchen(), kitchen()]).shares == shares


def test_the_shipped_shares_are_sorted_and_say_where_mugs_are() -> None:
    shipped = training_placements()
    assert list(shipped.shares) == sorted(shipped.shares)
    assert all(0 <= share <= 1 for row in shipped.shares.values() for share in row.values())
    assert shipped.share("mug", "coffeemachine") > shipped.share("mug", "cabinet") > 0.01


def test_what_was_never_counted_is_unlikely_and_not_impossible() -> None:
    shipped = training_placements()
    never = {shipped.share("mug", "toilet"), shipped.share("mug", "hammock"), shipped.share("gizmo", "desk")}
    assert len(never) == 1
    assert 0 < never.pop() <= 0.001
