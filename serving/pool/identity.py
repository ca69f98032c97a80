"""What tells one start of a model server from another."""

from __future__ import annotations

import secrets
import socket
from dataclasses import dataclass


@dataclass(frozen=True)
class ServerIdentity:
    """A model server that runs now."""

    incarnation: str
    """Drawn at random at its start."""
    node: str
    """Name of its machine."""

    @classmethod
    def draw(cls) -> ServerIdentity:
        """The identity of a server that starts now on this machine."""
        return cls(secrets.token_hex(8), socket.gethostname())
