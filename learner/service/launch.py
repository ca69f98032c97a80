"""Starts one of our commands once per rank, with DeepSpeed's launcher."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from configuration.learner import LearnerSettings
from core.errors import InvalidInputError
from learner.update.ports import free_port


def must_launch(settings: LearnerSettings) -> bool:
    """Whether several ranks are configured, and this process was not started by a launcher.

    Raises:
        InvalidInputError: the machine has GPUs, but fewer than ranks.
    """
    if settings.ranks == 1 or "RANK" in os.environ:
        return False
    import torch

    gpus = torch.cuda.device_count()
    if 0 < gpus < settings.ranks:
        raise InvalidInputError(
            f"learner.ranks = {settings.ranks}: this machine has {gpus} GPUs, and each rank needs one"
        )
    return True


def launcher_command(gpus: Sequence[int], module: str, arguments: Sequence[str]) -> list[str]:
    """The command `python -m deepspeed.launcher.launch …` for this machine, with one rank per GPU number.

    On a machine without GPUs, the numbers only say how many ranks there are.
    """
    world = base64.urlsafe_b64encode(json.dumps({"localhost": list(gpus)}).encode()).decode()
    place = [f"--world_info={world}", "--master_addr=127.0.0.1", f"--master_port={free_port()}"]
    launcher = [sys.executable, "-m", "deepspeed.launcher.launch", "--log_level=warning", *place]
    return [*launcher, "--no_local_rank", "--module", module, *arguments]


def launcher_environment() -> dict[str, str]:
    """The environment variables of this process; PYTHONPATH has everything that it can import."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def launch(settings: LearnerSettings, module: str, arguments: Sequence[str]) -> NoReturn:
    """Replaces this process by the launcher, which passes signals on to all ranks.

    Process id, standard input and output stay the same, so whoever started this process notices nothing.
    """
    gpus = settings.gpus[: settings.ranks] or range(settings.ranks)
    command = launcher_command(gpus, module, arguments)
    sys.stdout.flush()
    os.execve(command[0], command, launcher_environment())
