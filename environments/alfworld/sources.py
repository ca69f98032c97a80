"""Opens the games on disk: a tree of folders, or a packed archive."""

from __future__ import annotations

from pathlib import Path

from environments.alfworld.archive import ArchiveSource
from environments.alfworld.errors import GameFileError
from environments.alfworld.game_source import GAME_FILE, SPLITS, GameSource, task_of
from environments.benchmark import Task
from environments.errors import DataNotFoundError


class TreeSource:
    """Games in the folders that `alfworld-download` makes: `<split>/<task>/<trial>/game.tw-pddl`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def tasks(self) -> tuple[Task, ...]:
        found = (task_of(path.parent.relative_to(self.root).as_posix()) for path in self._files())
        return tuple(sorted(task for task in found if task is not None))

    def read(self, task_id: str) -> bytes:
        path = self.root / task_id / GAME_FILE
        try:
            return path.read_bytes()
        except OSError as error:
            raise GameFileError(str(path), f"it cannot be read ({error.strerror})") from None

    def _files(self) -> list[Path]:
        return [path for split in SPLITS for path in (self.root / split).glob(f"*/*/{GAME_FILE}")]


def open_source(path: Path) -> GameSource:
    """The games at `path`: an archive, or a folder that holds the splits, json_2.1.1 or an archive.

    Raises:
        DataNotFoundError: nothing of the kind is there.
    """
    if path.is_file():
        return ArchiveSource(path)
    if not path.is_dir():
        raise DataNotFoundError(
            f"no ALFWorld data at {path}: there is no such file or folder; environment.data or ALFWORLD_DATA "
            "names a tree made by alfworld-download, or the packed archive"
        )
    for root in (path, path / "json_2.1.1"):
        if any((root / split).is_dir() for split in SPLITS):
            return TreeSource(root)
    if archives := sorted(path.glob("alfworld*.tar.*")):
        return ArchiveSource(archives[-1])
    raise DataNotFoundError(
        f"no ALFWorld data in {path}: expected the folders {', '.join(SPLITS)} (in it or in its json_2.1.1), "
        "as alfworld-download makes them, or one packed alfworld*.tar.xz"
    )
