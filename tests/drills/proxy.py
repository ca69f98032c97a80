"""A TCP proxy whose connections can be made slow, be cut, or hang without an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_BLOCK = 1 << 16


class Proxy:
    """Passes bytes on between callers and one server, as long as no fault is injected."""

    def __init__(self, address: str) -> None:
        """`address` is the server's `host:port`."""
        self._host, _, port = address.rpartition(":")
        self._port = int(port)
        self._writers: set[asyncio.StreamWriter] = set()
        self._passing = asyncio.Event()
        self._passing.set()
        self._hung: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.delay = 0.0
        """Seconds that each block of bytes is held back."""
        self.connections = 0
        """Connections that were ever made."""
        self.address = ""

    def cut(self) -> None:
        """Resets every connection."""
        for writer in self._writers:
            writer.transport.abort()

    def hang(self) -> None:
        """From now on nothing comes through on the connections that there are, and nobody is told."""
        self._hung |= self._writers

    def block(self) -> None:
        """Nothing comes through any more, on new connections neither, until `unblock`."""
        self._passing.clear()

    def unblock(self) -> None:
        self._passing.set()

    async def close(self) -> None:
        """Ends every connection."""
        self.unblock()
        self.cut()
        await asyncio.gather(*self._tasks)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if (task := asyncio.current_task()) is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        with suppress(OSError):
            to_server = await asyncio.open_connection(self._host, self._port)
            both = {writer, to_server[1]}
            self._writers |= both
            try:
                await asyncio.gather(self._pass(reader, to_server[1]), self._pass(to_server[0], writer))
            finally:
                self._writers -= both
                self._hung -= both
                for each in both:
                    each.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while block := await reader.read(_BLOCK):
                await asyncio.sleep(self.delay)
                await self._passing.wait()
                if writer not in self._hung:
                    writer.write(block)
                    await writer.drain()
        finally:
            # The other direction ends too; a hung one stays silent about it.
            writer.transport.abort()


@asynccontextmanager
async def proxy(address: str) -> AsyncIterator[Proxy]:
    """A proxy on a free port of this machine, until the block ends."""
    made = Proxy(address)
    server = await asyncio.start_server(made._connection, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    made.address = f"{host}:{port}"
    try:
        yield made
    finally:
        server.close()
        await made.close()
