"""The sentences of ALFWorld's text grammar that need more than filling in names."""

from __future__ import annotations

from collections.abc import Sequence

NOTHING_HAPPENS = "Nothing happens."
WELCOME = "-= Welcome to TextWorld, ALFRED! =-"
HELP = """Available commands:
  look:                             look around your current location
  inventory:                        check your current inventory
  go to (receptacle):               move to a receptacle
  open (receptacle):                open a receptacle
  close (receptacle):               close a receptacle
  take (object) from (receptacle):  take an object from a receptacle
  move (object) to (receptacle):  place an object in or on a receptacle
  examine (something):              examine a receptacle or an object
  use (object):                     use an object
  heat (object) with (receptacle):  heat an object using a receptacle
  clean (object) with (receptacle): clean an object using a receptacle
  cool (object) with (receptacle):  cool an object using a receptacle
  slice (object) with (object):     slice an object using a sharp object
"""


def listed(names: Sequence[str], article: str = "a ") -> str:
    """`a mug 1, a pen 2, and a cup 1`, or `nothing`; two names are joined by `, and ` too."""
    if not names:
        return "nothing"
    if len(names) == 1:
        return article + names[0]
    separator = ", " + article
    return f"{article}{separator.join(names[:-1])}, and {article}{names[-1]}"


def object_state(name: str, *, clean: bool, hot: bool, cool: bool, sliced: bool, toggled: bool) -> str:
    """The answer to `examine` for an object that is not a container; cases in the order of the grammar."""
    if clean and hot:
        return f"This is a hot and clean {'sliced ' * sliced}{name}."
    if clean and cool:
        return f"This is a cool and clean {'sliced ' * sliced}{name}."
    if sliced and (clean or hot or cool):
        return f"This is a {'clean' if clean else 'hot' if hot else 'cool'} sliced {name}."
    if hot or clean or cool:
        return f"This is a {'hot' if hot else 'clean' if clean else 'cold'} {name}."
    if toggled:
        return f"This {name} is on."
    if sliced:
        return f"This is a sliced {name}."
    return f"There's nothing special about {name}."
