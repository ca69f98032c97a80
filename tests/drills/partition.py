"""Drill of a partition between hosts, with mTLS: `sudo ./bazelw run //tests/drills:partition`. Needs root.

Three hosts, which are network namespaces: one with a planner, one with an executor, and one with the learner,
the orchestrator, and a second planner and executor. While a run is played, the first two are cut off, one
after the other, and healed. The others must take over within seconds, and every stored turn must be of the
version that its place in the run asks for.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from configuration.servers import TlsSettings
from tests.drills.hosts import Host, hosts
from tests.drills.slow_call import SECONDS as SLOW_SECONDS
from tests.end_to_end.processes import SMALL, episodes
from tests.end_to_end.tiny import tiny_model
from tests.serving.rpc.authority import Authority

PORTS = {"learner": 7000, "planner": 7001, "executor": 7002}
PER_UPDATE = 16
MOST_SECONDS = 5.0
_START_SECONDS = 180.0


@dataclass
class Run:
    """The processes of a run, and where they are."""

    folder: Path
    authority: Authority
    model: Path
    stack: ExitStack
    learner: Host
    logs: list[Path] = field(default_factory=list)
    signed: dict[str, TlsSettings] = field(default_factory=dict)
    """Certificates by host and role."""

    @property
    def learner_address(self) -> str:
        return f"{self.learner.address}:{PORTS['learner']}"

    def server(self, host: Host, role: str) -> None:
        """Starts a server on a host."""
        options = [f"--{role}.listen={host.address}:{PORTS[role]}"]
        if role == "learner":
            options.append(f"--run-dir={self.folder / 'run'}")
        else:
            options.append(f"--learner.address={self.learner_address}")
        self._start(host, role, f"{role}.server", *options)

    def orchestrator(self, hours: float) -> subprocess.Popen[bytes]:
        options = (f"--learner.address={self.learner_address}", f"--run-dir={self.folder / 'played'}")
        return self._start(self.learner, "orchestrator", "orchestrator.train", f"--hours={hours}", *options)

    def table(self) -> str:
        """The table of all servers, as `//orchestrator:pool` prints it."""
        options = (f"--learner.address={self.learner_address}", *self._options(self.learner, "orchestrator"))
        command = self.learner.command(sys.executable, "-m", "orchestrator.pool", *options)
        return subprocess.run(command, capture_output=True, text=True, env=environment()).stdout

    def _start(self, host: Host, role: str, module: str, *options: str) -> subprocess.Popen[bytes]:
        log = self.folder / f"{host.name}-{role}.log"
        self.logs.append(log)
        words = (sys.executable, "-m", module, *SMALL, *self._options(host, role), *options)
        with log.open("wb") as output:
            process = subprocess.Popen(
                host.command(*words),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment(),
                start_new_session=True,
            )
        self.stack.callback(_end, process)
        return process

    def _options(self, host: Host, role: str) -> list[str]:
        """The model, the size of the run, and the certificates, which are the same for all sections."""
        name = f"{host.name}-{role}"
        if name not in self.signed:
            self.signed[name] = self.authority.signed(name, role, address=host.address)
        tls = self.signed[name]
        found = [
            f"--model={self.model}",
            f"--learner.episodes_per_update={PER_UPDATE}",
            "--learner.updates=10000",
        ]
        for section in ("planner", "executor", "learner"):
            found += [f"--{section}.tls.{key}={value}" for key, value in tls_files(tls).items()]
        return found


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def tls_files(tls: TlsSettings) -> dict[str, str]:
    return {key: str(getattr(tls, key)) for key in ("certificate", "key", "authority")}


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def until(condition: Callable[[], bool], what: str, seconds: float = _START_SECONDS) -> float:
    """Waits for a condition; the seconds that it took."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > seconds:
            raise AssertionError(f"{what}: not within {seconds:g} s")
        time.sleep(0.2)
    return time.monotonic() - begun


def stored(run: Run) -> int:
    return len(episodes(run.folder / "run")) if (run.folder / "run" / "episodes.sqlite").exists() else 0


def ready(run: Run, count: int) -> bool:
    return run.table().count("ready") >= count


def longest_turn(run: Run, first: int) -> float:
    """Seconds of the longest turn of the episodes from this place on."""
    turns = (
        turn
        for number, each in episodes(run.folder / "run").items()
        if number >= first
        for turn in each.turns
    )
    return max((turn.seconds for turn in turns), default=0.0)


def stale_turns(run: Run) -> int:
    """Number of stored answers that are not of the version that their place asks for."""
    return sum(
        generation.adapter_version != number // PER_UPDATE
        for number, each in episodes(run.folder / "run").items()
        for turn in each.turns
        for generation in (turn.plan.generation, turn.act.generation)
    )


def partition(run: Run, host: Host, seconds: float) -> str:
    """Cuts a host off, and heals it; a line for the report."""
    # In the middle of a batch, when episodes are played, and not during an update.
    until(lambda: 0 < stored(run) % PER_UPDATE < PER_UPDATE // 2, "a batch has begun")
    before = stored(run)
    host.cut()
    time.sleep(seconds)
    during = stored(run) - before
    host.heal()
    back = until(lambda: ready(run, 4), f"{host.name} is ready again")
    until(lambda: stored(run) >= before + during + PER_UPDATE, "the run goes on")
    longest = longest_turn(run, before)
    assert during > 0, "nothing was stored while the host was cut off"
    assert longest <= MOST_SECONDS, f"a turn took {longest:.1f} s"
    return (
        f"{host.name} cut off for {seconds:g} s: {during} episodes stored meanwhile, longest turn "
        f"{longest:.1f} s; ready again {back:.1f} s after healing"
    )


def slow_call(run: Run, host: Host) -> str:
    """A call that takes 20 seconds, with the keepalive of the orchestrator."""
    address = f"{host.address}:7009"

    def command(place: Host, kind: str, role: str) -> list[str]:
        files = tls_files(run.authority.signed(f"slow-{kind}", role, address=place.address)).values()
        return place.command(sys.executable, "-m", "tests.drills.slow_call", kind, address, *files)

    server = subprocess.Popen(
        command(host, "serve", "planner"), stdout=subprocess.PIPE, text=True, env=environment()
    )
    try:
        assert server.stdout is not None and "serving" in server.stdout.readline()
        called = subprocess.run(
            command(run.learner, "call", "orchestrator"), capture_output=True, text=True, env=environment()
        )
    finally:
        server.kill()
        server.wait()
    assert called.returncode == 0, called.stderr[-2000:]
    assert float(called.stdout) >= SLOW_SECONDS
    took = float(called.stdout)
    return f"a call of {SLOW_SECONDS:g} s, with a ping every 2 s, was answered after {took:.1f} s"


@contextmanager
def deployed() -> Iterator[tuple[Run, Host, Host]]:
    """A run on three hosts; the hosts of the first planner and the first executor."""
    with (
        tempfile.TemporaryDirectory() as name,
        hosts("planner", "executor", "learner") as found,
        ExitStack() as stack,
    ):
        folder = Path(name)
        (folder / "run").mkdir()
        (folder / "ca").mkdir()
        planner, executor, learner = found
        run = Run(folder, Authority(folder / "ca"), tiny_model(folder / "model"), stack, learner)
        try:
            run.server(learner, "learner")
            for host in (planner, learner):
                run.server(host, "planner")
            for host in (executor, learner):
                run.server(host, "executor")
            yield run, planner, executor
        except BaseException:
            for log in run.logs:
                print(f"--- {log.name}\n{log.read_text(errors='replace')[-1500:]}", file=sys.stderr)
            raise


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cut-seconds", type=float, default=20.0)
    parser.add_argument("--hours", type=float, default=0.05, help="length of the run")
    options = parser.parse_args()
    with deployed() as (run, planner, executor):
        player = run.orchestrator(options.hours)
        until(lambda: ready(run, 4) and stored(run) >= PER_UPDATE, "the run is played by all servers")
        print(f"calm: {stored(run)} episodes, longest turn {longest_turn(run, 0):.1f} s", flush=True)
        for host in (planner, executor):
            print(partition(run, host, options.cut_seconds), flush=True)
        print(slow_call(run, planner), flush=True)
        code = player.wait(3600 * options.hours + _START_SECONDS)
        stale, count = stale_turns(run), stored(run)
        print(f"the run ended with exit code {code}: {count} episodes, {stale} stale turns")
        assert code == 0 and stale == 0


if __name__ == "__main__":
    main()
