"""The command lines of the processes; `deploy/ray/actor.py` fills in what is known only on their node."""

from __future__ import annotations

from dataclasses import dataclass

from deploy.ray.placement import pool_of
from deploy.ray.settings import Deployment

CONFIGURATION, SCRATCH, HOST, PORT, LEARNER_ADDRESS = (
    "{configuration}",
    "{scratch}",
    "{host}",
    "{port}",
    "{learner}",
)
"""Parts of a word that are replaced on the node: a file with the configuration, a folder of the process, the
node's address, a port of the process, and the learner's address."""


@dataclass(frozen=True)
class Process:
    """A process to be started with the node's Python interpreter."""

    arguments: tuple[str, ...]
    """Arguments of the interpreter."""
    port: int
    """Port for `{port}`; 0 means a free one. Without `{port}` in an argument, it is not used."""
    ends: bool
    """Whether exit code 0 means that its work is done, rather than that it must be started again."""


def process(deployment: Deployment, name: str) -> Process:
    """The process with this name."""
    pool = pool_of(name)
    configured = ("--config", CONFIGURATION)
    if pool == "orchestrator":
        # Its folder is new each time: what a run leaves behind is in the learner's.
        run_dir = ("--run-dir", f"{SCRATCH}/run")
        learner = ("--learner.address", LEARNER_ADDRESS)
        return Process(("-m", "orchestrator.rollout", *configured, *run_dir, *learner), 0, ends=True)
    watched = ("--exit-with-parent", "--ready-file", f"{SCRATCH}/ready.json")
    if pool == "learner":
        place = ("--learner.listen", f"0.0.0.0:{PORT}", "--run-dir", deployment.run_dir)
        return Process(
            ("-m", "learner.server", *configured, *watched, *place), deployment.learner_port, ends=False
        )
    place = (f"--{pool}.listen", f"0.0.0.0:{PORT}", f"--{pool}.advertise", f"{HOST}:{PORT}")
    learner = ("--learner.address", LEARNER_ADDRESS)
    return Process(("-m", f"{pool}.server", *configured, *watched, *place, *learner), 0, ends=False)
