"""`bazel run //orchestrator:watch -- RUN_DIR`: serves a run's report, and keeps it up to date."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from configuration.command import main, parse
from configuration.section import Section
from configuration.syntax import Argument, NoSections, Syntax
from core.errors import ConfigurationError
from core.paths import user_path
from orchestrator.report.live import OTHER, LiveReport
from orchestrator.report.writing import RunReport
from serving.rpc.tls import is_loopback

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_SHARE = 0.1
"""Largest share of one core's time that is spent looking for changes."""


class Flags(Section):
    """Options of this command."""

    listen: str = "127.0.0.1:0"
    """Address to serve on; port 0 means a free port."""
    insecure: bool = False
    """Whether to listen off loopback: everyone there can read the whole run."""
    seconds: float = Field(2.0, gt=0)
    """Seconds between two looks at the run's folder, at least."""
    with_: Path | None = None
    """Folder of a second run, whose episodes are shown beside those of the first."""


SYNTAX = Syntax(
    "watch",
    NoSections,
    Flags,
    "Serves the report of a run on this machine, and keeps it up to date while the run plays.",
    arguments=(Argument("RUN_DIR", "the folder of a run"),),
)


def watch(argv: Sequence[str]) -> int:
    """Runs the command, until it is interrupted."""
    line = parse(argv, SYNTAX)
    root, flags = user_path(line.arguments[0]), line.flags
    host, port = _address(flags.listen, flags.insecure)
    reports = [RunReport(root, other_url=OTHER if flags.with_ else None)]
    if flags.with_ is not None:
        reports.append(RunReport(flags.with_))
    for note in reports[0].look().notes:
        print(f"note: {note}", file=sys.stderr)
    names = _LOOPBACK_NAMES | {host.strip("[]")} if is_loopback(host) else frozenset[str]()
    server = LiveReport(root, flags.with_, host, port, names)
    print(f"serving {root} at {server.url} (Ctrl-C ends this, not the run)", flush=True)
    try:
        while True:
            time.sleep(update(reports, flags.seconds))
    except OSError as error:
        raise ConfigurationError(f"cannot write the report into {root}: {error.strerror}") from error
    finally:
        server.close()


def update(reports: Sequence[RunReport], seconds: float) -> float:
    """Updates the reports; returns the time to wait before the next time.

    Raises:
        HiperError: as in `RunReport.update`.
    """
    started = time.process_time()
    for report in reports:
        report.update()
    return max(seconds, (time.process_time() - started) / _SHARE)


def _address(listen: str, insecure: bool) -> tuple[str, int]:
    """Host and port.

    Raises:
        ConfigurationError: it is not an address, or it is not of loopback and that is not allowed.
    """
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ConfigurationError(f"--listen {listen}: an address host:port is needed, such as 127.0.0.1:8010")
    if not is_loopback(host) and not insecure:
        raise ConfigurationError(
            f"--listen {listen}: everyone who reaches this address could read the run. Take 127.0.0.1 and "
            "forward the port (ssh -L), or allow it with --insecure"
        )
    return host, int(port)


if __name__ == "__main__":
    main(watch)
