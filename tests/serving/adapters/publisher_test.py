"""Pushing to a server that takes nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from configuration.servers import TlsSettings
from core.errors import UnavailableError
from core.role import Role
from serving.adapters.folder import CONFIG_FILE, WEIGHTS_FILE
from serving.adapters.publisher import AdapterPublisher, Target
from serving.rpc.channel import open_channel

NOBODY = "127.0.0.1:1"


def test_the_last_answer_is_part_of_the_message_when_time_is_up(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_text("{}")
    (tmp_path / WEIGHTS_FILE).write_bytes(b"")

    async def publish() -> None:
        channel = open_channel(NOBODY, TlsSettings())
        try:
            targets = {Role.PLANNER: Target(NOBODY, channel)}
            publisher = AdapterPublisher(targets, "run", "base", seconds=2.0, pause=0.05)
            await publisher.publish(Role.PLANNER, 1, tmp_path)
        finally:
            await channel.close()

    message = f"the planner at {NOBODY} took no adapter within 2 s; its last answer: .*onnect"
    with pytest.raises(UnavailableError, match=message):
        asyncio.run(publish())
