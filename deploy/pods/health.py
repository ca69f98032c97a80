"""`python -m deploy.pods.health HOST:PORT`: whether a server is healthy, for probes that need certificates.

Kubernetes' own gRPC probes show no certificate, so a server with mTLS refuses them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pydantic import Field

from configuration import command
from configuration.section import Section
from configuration.servers import ServerSettings
from configuration.syntax import Argument, Syntax
from serving.rpc.channel import open_channel, wait_healthy

ADDRESS = Argument("ADDRESS", "address HOST:PORT of the server")


class Sections(Section):
    """The configuration that these commands need."""

    learner: ServerSettings = ServerSettings()
    """Certificates with which the caller shows who it is, in `tls`."""


class HealthFlags(Section):
    """Options of this command alone."""

    seconds: float = Field(5.0, gt=0)
    """Seconds in which the server must be healthy."""


def main(argv: Sequence[str]) -> int:
    """Returns 0 if the server is healthy.

    Raises:
        UnavailableError: it is not; the message says what it answered.
    """
    about = "Asks a server for its health, with the certificates of learner.tls."
    line = command.parse(argv, Syntax("health", Sections, HealthFlags, about=about, arguments=(ADDRESS,)))
    asyncio.run(check(line.arguments[0], line.configuration, line.flags.seconds))
    return 0


async def check(address: str, sections: Sections, seconds: float) -> None:
    """Returns once the server is healthy, and raises an `UnavailableError` if it is not in time."""
    channel = open_channel(address, sections.learner.tls)
    try:
        await wait_healthy(channel, seconds)
    finally:
        await channel.close()


if __name__ == "__main__":
    command.main(main)
