"""Starts a command of ours once for each rank, by DeepSpeed's own launcher."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from configuration.learner import LearnerSettings
from core.errors import InvalidInputError
from learner.update.ranks import free_port


def must_launch(settings: LearnerSettings) -> bool:
    """Whether several ranks are asked for, and this process is not one that a launcher has started.

    Raises:
        InvalidInputError: there are GPUs, but fewer than ranks.
    """
    if settings.ranks == 1 or "RANK" in os.environ:
        return False
    import torch

    gpus = torch.cuda.device_count()
    if 0 < gpus < settings.ranks:
        raise InvalidInputError(f"learner.ranks = {settings.ranks}: this machine has {gpus} GPUs, one a rank")
    return True


def launcher_command(gpus: Sequence[int], module: str, arguments: Sequence[str]) -> list[str]:
    """`python -m deepspeed.launcher.launch …` for this machine, with a rank for each GPU, or each number."""
    world = base64.urlsafe_b64encode(json.dumps({"localhost": list(gpus)}).encode()).decode()
    place = [f"--world_info={world}", "--master_addr=127.0.0.1", f"--master_port={free_port()}"]
    launcher = [sys.executable, "-m", "deepspeed.launcher.launch", "--log_level=warning", *place]
    return [*launcher, "--no_local_rank", "--module", module, *arguments]


def launcher_environment() -> dict[str, str]:
    """This process's, with all that it can import."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def launch(settings: LearnerSettings, module: str, arguments: Sequence[str]) -> NoReturn:
    """Becomes the launcher: process id, input and output stay, and signals go to all ranks."""
    gpus = settings.gpus[: settings.ranks] or range(settings.ranks)
    command = launcher_command(gpus, module, arguments)
    sys.stdout.flush()
    os.execve(command[0], command, launcher_environment())
