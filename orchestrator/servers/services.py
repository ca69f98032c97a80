"""Processes of servers, which end with the process that started them, however that ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from core.errors import PreconditionError, UnavailableError
from core.exit_codes import REFUSED

_LAST_LINES = 12
"""Number of lines of a log that messages show."""
_LONGEST_LINE = 400
"""Number of characters of such a line."""
_LONGEST_LOG = 32 * 2**20
"""Size of a log, in bytes, above which it is moved to a second file."""
_POLL_SECONDS = 0.05


class ServiceDiedError(UnavailableError):
    """A server process has ended unexpectedly."""

    def __init__(self, message: str, brief: str) -> None:
        super().__init__(message)
        self.brief = brief
        """Which server has ended, and how, in a few words."""


class ServiceRefusedError(PreconditionError, ServiceDiedError):
    """A server process has ended because its configuration cannot work; its log says why."""


@dataclass(frozen=True)
class ServiceSpec:
    """A server process to be started."""

    name: str
    """Name of the server, such as `learner` or `planner-0`."""
    command: tuple[str, ...]
    log: Path
    """File for the output."""
    ready_file: Path
    """File to which the server writes JSON with its `address` once it is serving."""
    keeps_address: bool = False
    """Whether a later process serves at the address of the first, because others know it."""
    stops_first: bool = False
    """Whether it is stopped before the others, which it still calls when it ends."""

    def at(self, address: str) -> ServiceSpec:
        """The same server, at this address."""
        return replace(self, command=(*self.command, f"--{self.name}.listen", address))


def server_command(
    module: str, configuration: Path, ready_file: Path, overrides: Mapping[str, str]
) -> tuple[str, ...]:
    """The command line that starts one of our servers with this Python interpreter."""
    options = [word for key, value in overrides.items() for word in (f"--{key}", value)]
    return (
        sys.executable,
        "-m",
        module,
        "--config",
        str(configuration),
        "--ready-file",
        str(ready_file),
        "--exit-with-parent",
        *options,
    )


class Service:
    """A server process that is running."""

    def __init__(self, spec: ServiceSpec, process: asyncio.subprocess.Process) -> None:
        self.spec = spec
        self._process = process

    @classmethod
    async def start(cls, spec: ServiceSpec) -> Service:
        """Starts the process, with its output in the log and a pipe from us as its input.

        The pipe closes when this process ends, however that happens, and the server stops.
        """
        spec.ready_file.unlink(missing_ok=True)
        with spec.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *spec.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                # Ctrl-C at the terminal must only reach this process, which stops the servers in order.
                process_group=0,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            )
        return cls(spec, process)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def address(self, seconds: float) -> str:
        """Waits until the server is serving; returns its `host:port`.

        Raises:
            UnavailableError: it is not serving within that many seconds.
        """
        try:
            async with asyncio.timeout(seconds):
                while (address := self.written_address()) is None:
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            raise UnavailableError(
                f"the {self.spec.name} did not start within {seconds:g} s (--orchestrator.start_seconds). "
                f"The end of {self.spec.log}:\n{last_lines(self.spec.log)}"
            ) from None
        return address

    def written_address(self) -> str | None:
        """The address in the ready file, if this process or one that it launched has written it.

        A server whose run was killed while it started can write its own into the next run's file.
        """
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            ready = json.loads(self.spec.ready_file.read_text(encoding="utf-8"))
            if os.getpgid(ready["pid"]) == self.pid:
                return str(ready["address"])
        return None

    async def died(self) -> ServiceDiedError:
        """Waits until the process has ended; returns the error that says how."""
        code = await self._process.wait()
        kind = ServiceRefusedError if code == REFUSED else ServiceDiedError
        return kind(
            f"the {self.spec.name} (process {self.pid}) {ending(code)}. "
            f"The end of {self.spec.log}:\n{last_lines(self.spec.log)}",
            f"{self.spec.name} {ending(code)}",
        )

    def kill(self) -> None:
        """Ends the process, and those that it has launched, by SIGKILL; they may be gone already."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    async def stop(self, seconds: float) -> None:
        """Sends SIGTERM, and SIGKILL if the process has not ended after that many seconds."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), seconds)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()


def ending(code: int | None) -> str:
    """An exit code in words."""
    if code is not None and code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def last_lines(log: Path, count: int = _LAST_LINES) -> str:
    """The last lines of a log, indented; reads only the end of the file."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - count * _LONGEST_LINE))
            lines = file.read().decode(errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        lines = []
    return "\n".join(f"    {line[:_LONGEST_LINE]}" for line in lines) or "    (empty)"


def shorten(log: Path, most: int = _LONGEST_LOG) -> bool:
    """Moves the contents of a log to `<name>.1` if it has more than `most` bytes; returns whether it did.

    The process keeps its file open and goes on appending, so that the file is copied and truncated rather
    than renamed. A line written between the two is lost.
    """
    if not log.exists() or log.stat().st_size <= most:
        return False
    shutil.copyfile(log, log.with_name(f"{log.name}.1"))
    os.truncate(log, 0)
    return True
