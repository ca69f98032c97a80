"""`python -m deploy.pods.drain HOST:PORT --learner.address HOST:PORT`: takes a server out of its pool.

It returns when the server has no episodes any more, so that it can be stopped without disturbing any.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pydantic import Field

from configuration import command
from configuration.section import Section
from configuration.syntax import Syntax
from core.errors import ConfigurationError
from deploy.pods.draining import drain
from deploy.pods.health import ADDRESS, Sections


class DrainFlags(Section):
    """Options of this command alone."""

    seconds: float = Field(60.0, gt=0)
    """Longest time to wait."""


def main(argv: Sequence[str]) -> int:
    """Drains the server; succeeds even if the learner is away, since a server may be stopped without it."""
    about = "Gives a server no new episodes, with the certificates of learner.tls: an operator's."
    line = command.parse(argv, Syntax("drain", Sections, DrainFlags, about=about, arguments=(ADDRESS,)))
    learner = line.configuration.learner
    if learner.address is None:
        raise ConfigurationError("drain needs --learner.address HOST:PORT, where the server has registered")
    print(asyncio.run(drain(learner.address, learner.tls, line.arguments[0], line.flags.seconds)))
    return 0


if __name__ == "__main__":
    command.main(main)
