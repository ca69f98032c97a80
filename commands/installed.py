"""The command `hiper` of an installation with pip.

The wheel puts our folders into the folder `hiper_rl`, because other packages may have names such as `core`,
too. Only `hae` is a package for everybody.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    """Makes our folders importable in this process and in those that it starts, and runs the command."""
    sys.path.insert(0, str(Path(__file__).parents[1]))

    from commands.hiper import main as run
    from core.shown import INSTALLED

    os.environ[INSTALLED] = "1"
    run()
