"""Drills of a run's files: cut off at every byte, and with one flipped bit in each."""

from __future__ import annotations

import logging
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from configuration.tree import Configuration
from core.errors import HiperError
from core.role import Role
from learner.service.persistence import Persistence
from run_folder import saved_configuration
from run_folder.adapters import of_run
from run_folder.folder import RunFolder
from run_folder.metrics import MetricsFile
from serving.adapters.folder import CONFIG_FILE, WEIGHTS_FILE
from tests.drills.drill import Effort, Row
from tests.drills.learning import SummingTrainer, learn
from tests.learner.service.episodes import episode
from tests.learner.service.runs import SCHEDULE

Survives = Callable[[Path, bytes], bool]
"""Whether a damaged file, given with its whole contents, is handled as it should be."""
_NEWEST = SCHEDULE.updates


def checkpoints(effort: Effort) -> Row:
    """Every file of the newest checkpoint: refused by name, and the checkpoint before is restored."""
    with _run() as folder:
        damaged = sorted(folder.checkpoint(_NEWEST).iterdir())
        return _drill("files: checkpoint", damaged, lambda path, whole: _restores_older(folder), effort)


def adapters(effort: Effort) -> Row:
    """Configuration and weights of the newest adapters: refused by name, and written again on resuming."""
    with _run() as folder:
        damaged = [
            folder.adapter(role, _NEWEST) / name for role in Role for name in (CONFIG_FILE, WEIGHTS_FILE)
        ]
        return _drill("files: adapter", damaged, lambda path, whole: _is_mended(folder, path, whole), effort)


def metrics(effort: Effort) -> Row:
    """Refused by name, or read without a last line that is cut off.

    A flipped bit inside a number cannot be seen: the line is read with another number, all others as they
    were.
    """
    with _run() as folder:
        lines = MetricsFile(folder.metrics).lines()

        def survives(path: Path, whole: bytes) -> bool:
            try:
                found = MetricsFile(path).lines()
            except HiperError as error:
                return str(path) in str(error)
            differing = sum(one != other for one, other in zip(found, lines, strict=False))
            return len(found) >= len(lines) - _lines_cut_off(path, whole) and differing <= 1

        return _drill("files: metrics", [folder.metrics], survives, effort)


def configurations(effort: Effort) -> Row:
    """Refused by name, or read as it was, where the damage is in the hash's own line alone."""
    with _run() as folder:
        saved_configuration.write(folder, Configuration.model_validate({"lora": {"rank": 4}}))
        saved = saved_configuration.read(folder.root)

        def survives(path: Path, whole: bytes) -> bool:
            try:
                return saved_configuration.read(folder.root) == saved
            except HiperError as error:
                return str(path) in str(error)

        return _drill("files: configuration", [folder.configuration], survives, effort)


@contextmanager
def _run() -> Iterator[RunFolder]:
    """The folder of a finished run of a small learner."""
    logging.disable(logging.WARNING)
    try:
        with tempfile.TemporaryDirectory() as name:
            failure = learn(Path(name), SummingTrainer, episode)
            assert not failure, failure
            yield RunFolder(Path(name))
    finally:
        logging.disable(logging.NOTSET)


def _drill(name: str, damaged: list[Path], survives: Survives, effort: Effort) -> Row:
    injected = survived = 0
    draw = random.Random(effort.seed)
    for path in damaged:
        whole = path.read_bytes()
        for place in range(0, len(whole), effort.stride(most=199)):
            flipped = bytes([whole[place] ^ 1 << draw.randrange(8)])
            for content in (whole[:place], whole[:place] + flipped + whole[place + 1 :]):
                path.write_bytes(content)
                injected += 1
                survived += survives(path, whole)
        path.write_bytes(whole)
    return Row(name, injected, survived, note=f"{len(damaged)} files: cut at, and one bit of, each byte")


def _restores_older(folder: RunFolder) -> bool:
    try:
        SummingTrainer().load_checkpoint(folder.checkpoint(_NEWEST))
    except HiperError as error:
        named = str(folder.checkpoint(_NEWEST)) in str(error)
    else:
        return False
    trainer = SummingTrainer()
    return named and Persistence(folder).restore(trainer, _silent) and trainer.version == _NEWEST - 1


def _is_mended(folder: RunFolder, path: Path, whole: bytes) -> bool:
    try:
        of_run(folder, None)
    except HiperError as error:
        named = str(path.parent) in str(error)
    else:
        return False
    older = of_run(folder, _NEWEST - 1)
    Persistence(folder).restore(SummingTrainer(), _silent)
    return named and older.version == _NEWEST - 1 and path.read_bytes() == whole


def _lines_cut_off(path: Path, whole: bytes) -> int:
    return whole.count(b"\n") - path.read_bytes().count(b"\n")


def _silent(share: float, message: str) -> None:
    pass
