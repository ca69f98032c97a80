"""Real servers for drills: processes with a model so small that thousands of calls take seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

_START_SECONDS = 600.0
_SMALL = ("--no-warm-start", "--environment.source=generated", "--environment.generator.games=6")


@dataclass(frozen=True)
class Server:
    """A running server."""

    name: str
    pid: int
    address: str
    metrics_port: int | None
    """Port of its Prometheus metrics, with the option for it."""

    def calls(self, method: str) -> int:
        """The calls of a method, `Service/Method`, that have ended at this server, with whatever code."""
        with urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=60) as page:
            families = text_string_to_metric_families(page.read().decode())
        samples = [sample for family in families if family.name == "hiper_calls" for sample in family.samples]
        ended = (each for each in samples if each.name == "hiper_calls_total")
        return round(sum(each.value for each in ended if each.labels["method"].endswith(method)))


@contextmanager
def server(name: str, folder: Path, *options: str) -> Iterator[Server]:
    """Starts `planner`, `executor` or `learner`, and kills it at the end of the block."""
    ready = folder / f"{name}.json"
    ready.unlink(missing_ok=True)
    with (folder / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", f"{name}.server", f"--ready-file={ready}", "--exit-with-parent", *options],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
    try:
        ends = time.monotonic() + _START_SECONDS
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError(
                    f"no {name}: {(folder / f'{name}.log').read_text(errors='replace')[-2000:]}"
                )
            time.sleep(0.05)
        told = json.loads(ready.read_text())
        yield Server(name, process.pid, str(told["address"]), told["metrics_port"])
    finally:
        process.kill()
        process.wait()


@contextmanager
def system(folder: Path, model: Path) -> Iterator[dict[str, Server]]:
    """Planner, executor and learner of one run in `folder`, by name."""
    models = [f"--{section}.model={model}" for section in ("planner", "executor", "learner")]
    small = ("--planner.max_new_tokens=4", "--executor.max_new_tokens=4", "--learner.threads=1")
    options = (*_SMALL, *models, *small)
    with ExitStack() as stack:
        started = {
            name: stack.enter_context(server(name, folder, *options)) for name in ("planner", "executor")
        }
        addresses = [f"--{name}.address={one.address}" for name, one in started.items()]
        learner = server("learner", folder, *options, *addresses, f"--run-dir={folder / 'run'}")
        yield {**started, "learner": stack.enter_context(learner)}
