"""A life of the rollout command, whose words are read while it lives."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

from tests.end_to_end.processes import start

_ACKNOWLEDGED = re.compile(r"\] episode (\d+) ")


class Life:
    """A process that is watched from its start on."""

    def __init__(self, *options: str, first_on_path: Path | None = None) -> None:
        self._process = start("orchestrator.rollout", *options, first_on_path=first_on_path)
        self.lines: list[str] = []
        self.acknowledged: set[int] = set()
        """Episodes of which the learner has told it that they are stored."""
        self._told = threading.Event()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line)
            if found := _ACKNOWLEDGED.search(line):
                self.acknowledged.add(int(found[1]))
                self._told.set()
        self._told.set()

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def wait_for_an_episode(self) -> None:
        """Returns when the first one is acknowledged, or the process has ended."""
        self._told.wait()

    def wait(self, seconds: float) -> None:
        """Returns after that many seconds, or when the process has ended."""
        ends = time.monotonic() + seconds
        while not self.ended and (left := ends - time.monotonic()) > 0:
            time.sleep(min(left, 0.05))

    def kill(self) -> bool:
        """Ends it with SIGKILL; False if it had ended by itself. All its words are read then."""
        lived = not self.ended
        self._process.kill()
        self.end()
        return lived

    def end(self) -> int:
        """Waits for its end, and returns the exit code."""
        code = self._process.wait()
        self._reading.join()
        return code

    def __str__(self) -> str:
        return " ".join("".join(self.lines[-4:]).split())
