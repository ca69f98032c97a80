"""Finds the adapter that gave a stored answer among those that the run has kept."""

from __future__ import annotations

from core.errors import NotFoundError, PreconditionError
from core.role import Role
from run_folder.folder import RunFolder
from serving.adapters.folder import CONFIG_FILE, WEIGHTS_FILE, folder_hash
from serving.adapters.origin import base_of
from serving.engine import BASE_VERSION, LoadedAdapter
from serving.model import ModelFolder
from trajectory.episode import Generation


class KeptAdapters:
    """The adapters of a run; each is read once."""

    def __init__(self, folder: RunFolder, run_id: str, model: ModelFolder) -> None:
        self._folder, self._run_id, self._model = folder, run_id, model
        self._hashes: dict[tuple[Role, int], bytes] = {}

    def of(self, role: Role, answer: Generation) -> LoadedAdapter | None:
        """The adapter that gave this answer; None for the base model alone.

        Episodes of versions without hashes are trusted to be answered by the adapter of their version.

        Raises:
            NotFoundError: it is not kept, or its version was made again with other weights.
            PreconditionError: it was trained on another base model.
        """
        version, sha256 = answer.adapter_version, answer.adapter_sha256
        if version == BASE_VERSION:
            return None
        path = self._folder.adapter(role, version)
        found = self._hash(role, version)
        if sha256 and found != sha256:
            raise NotFoundError(
                f"the {role.value}'s adapter that answered (version {version}, epoch {answer.adapter_epoch}, "
                f"SHA-256 {_short(sha256)}) is not kept: {path} has {_short(found)}. A version is made again "
                "with other weights when a run is resumed from an older checkpoint"
            )
        return LoadedAdapter.of_run(self._run_id, role, answer.adapter_epoch, version, path, sha256)

    def _hash(self, role: Role, version: int) -> bytes:
        if (role, version) not in self._hashes:
            self._hashes[role, version] = self._checked_hash(role, version)
        return self._hashes[role, version]

    def _checked_hash(self, role: Role, version: int) -> bytes:
        path = self._folder.adapter(role, version)
        for name in (CONFIG_FILE, WEIGHTS_FILE):
            if not (path / name).is_file():
                kept = ", ".join(map(str, self._folder.adapter_versions())) or "none"
                raise NotFoundError(
                    f"the {role.value}'s adapter of version {version}, which answered, is missing: there is "
                    f"no {path / name}. Versions that are kept: {kept}"
                )
        if base_of(path) not in (None, self._model.fingerprint):
            raise PreconditionError(
                f"the adapter in {path} was trained on another base model than {self._model.name}; --model "
                "takes the folder or hub id of the right one"
            )
        return folder_hash(path)


def _short(sha256: bytes) -> str:
    return sha256.hex()[:12]
