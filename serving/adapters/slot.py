"""The adapter slot of a model server: receives, checks, serves and keeps adapters, and rolls back to them."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import shutil
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from core.errors import (
    ConflictError,
    ExhaustedError,
    InvalidInputError,
    NotFoundError,
    PreconditionError,
)
from core.role import Role
from core.temporary_folder import TemporaryFolder
from serving.adapters.claim import ClaimHolder
from serving.adapters.folder import (
    base_shapes,
    check_adapter,
    folder_hash,
    largest_weights,
    read_config,
)
from serving.adapters.upload import AdapterManifest, AdapterUpload
from serving.engine import BASE_VERSION, Engine, LoadedAdapter
from serving.model import ModelFolder
from serving.sleep import SleepingEngine

_log = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")

_LOCAL_RUN = "local"
"""Run id of an adapter that the server was started with."""


@dataclass(frozen=True)
class SlotState:
    """The version that is served, and those that a rollback can return to."""

    run_id: str
    epoch: int
    """0 while the base model alone is served."""
    version: int
    sha256: bytes
    """Empty while the base model alone is served."""
    kept_versions: tuple[int, ...]
    """Versions from the oldest to the newest, including the current one."""


@dataclass(frozen=True)
class _Branch:
    """The adapters that are held, all of one run and epoch."""

    run_id: str = ""
    epoch: int = 0
    current: int = BASE_VERSION
    kept: dict[int, LoadedAdapter] = field(default_factory=dict)


class AdapterSlot:
    """Holds the last adapters of one run and epoch, and has the engine serve one of them.

    After a failure at any point, the engine serves the same adapter as before. Changes are made one at a
    time.
    """

    def __init__(
        self,
        engine: Engine,
        role: Role,
        model: ModelFolder,
        max_rank: int,
        keep: int,
        max_arriving: int = 4,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keeps up to `keep` adapters, including the current one, in a temporary folder until `close`.

        At most `max_arriving` adapters are taken in at once: each needs room on the disk. `clock` gives
        seconds, for the claim.
        """
        self._engine, self._role, self._model = engine, role, model
        self._max_rank, self._keep = max_rank, keep
        self._shapes = base_shapes(model.path)
        self._folder = TemporaryFolder(f"hiper-slot-{role.value}-")
        self._max_arriving, self._arriving = max_arriving, 0
        self._branch = _Branch()
        self.claim = ClaimHolder(clock)
        self._changing = asyncio.Lock()

    @property
    def role(self) -> Role:
        return self._role

    @property
    def model(self) -> ModelFolder:
        return self._model

    @property
    def asleep(self) -> bool:
        """Whether the engine sleeps."""
        return isinstance(self._engine, SleepingEngine) and self._engine.asleep

    @property
    def state(self) -> SlotState:
        branch = self._branch
        kept = tuple(sorted(branch.kept))
        if branch.current == BASE_VERSION:
            return SlotState(branch.run_id, 0, BASE_VERSION, b"", kept)
        sha256 = branch.kept[branch.current].sha256
        return SlotState(branch.run_id, branch.epoch, branch.current, sha256, kept)

    async def take(self, manifest: AdapterManifest, chunks: AsyncIterator[bytes]) -> bool:
        """Receives an adapter, checks it and switches to it; returns True if it was kept already.

        An upload that fails or is cancelled leaves nothing on the disk. Once everything has arrived, the
        change is completed even if the caller is cancelled, so that slot and engine never disagree.

        Raises:
            InvalidInputError: a malformed header, not plain LoRA, a rank or size over the limit, or a tensor
                that does not fit the base model or is not finite.
            PreconditionError: another role or base model, or older than the current epoch and version.
            ClaimedError: another run has claimed the server.
            ConflictError: this version is held with another hash.
            CorruptDataError: the hash or length does not fit.
            ExhaustedError: as many adapters as are allowed arrive already, or the disk is full.
        """
        self._check_manifest(manifest)
        self._check_claim(manifest.run_id, manifest.take_over)
        if self._arriving >= self._max_arriving:
            raise ExhaustedError(f"{self._arriving} adapters arrive already; try again later")
        self._arriving += 1
        try:
            upload = await self._arrived(manifest, chunks)
        except BaseException:
            self._arriving -= 1
            raise
        return await _to_the_end(self._commit(upload))

    async def _arrived(self, manifest: AdapterManifest, chunks: AsyncIterator[bytes]) -> AdapterUpload:
        upload = AdapterUpload(manifest, self._folder.path)
        try:
            async for chunk in chunks:
                upload.add(chunk)
            upload.finish()
        except BaseException:
            upload.discard()
            raise
        return upload

    async def rollback(self, version: int, run_id: str = "", take_over: bool = False) -> None:
        """Serves a held version again, or the base model alone (-1).

        Args:
            version: To serve.
            run_id: Run that asks for it; empty for none.
            take_over: Whether to end the claim of another run.

        Raises:
            NotFoundError: names the versions that are held; nothing changes.
            ClaimedError: another run has claimed the server; nothing changes.
        """
        await _to_the_end(self._rollback(version, run_id, take_over))

    async def sleep(self, run_id: str) -> None:
        """Has the engine sleep until it switches, or until this run's claim ends.

        Raises:
            PreconditionError: the engine cannot sleep, or the run has not claimed the server.
            EngineFailedError: the engine could not fall asleep.
        """
        if not isinstance(self._engine, SleepingEngine):
            raise PreconditionError(
                f"this server does not sleep: it was started with {self._role.value}.sleep_while_updating = "
                "false"
            )
        self._check_claim(run_id, take_over=False)
        if not self._is_claimed_by(run_id):
            raise PreconditionError(f"run {run_id or '(none)'} has not claimed this server")
        await self._engine.sleep(lambda: self._is_claimed_by(run_id))

    async def load(self, folder: Path) -> None:
        """Serves an adapter from a PEFT folder as version 0; to be called before the server starts."""
        check_adapter(folder, self._shapes, self._max_rank)
        adapter = LoadedAdapter.of_run(_LOCAL_RUN, self._role, 0, 0, folder, folder_hash(folder))
        await self._engine.switch(adapter)
        self._branch = _Branch(_LOCAL_RUN, 0, 0, {0: adapter})

    def close(self) -> None:
        """Removes the adapters from the disk."""
        self._folder.close()

    def _check_manifest(self, manifest: AdapterManifest) -> None:
        if not manifest.run_id:
            raise InvalidInputError("header.run_id: must not be empty")
        if manifest.role is not self._role:
            sent = manifest.role.value if manifest.role else "unspecified"
            raise PreconditionError(f"header.role: {sent}; this server is the {self._role.value}")
        if manifest.version < 0:
            raise InvalidInputError(f"header.version: {manifest.version} is less than 0")
        if manifest.base_model != self._model.fingerprint:
            raise PreconditionError(
                f"header.base_model: {manifest.base_model or 'empty'}; this server runs {self._model.name}, "
                f"fingerprint {self._model.fingerprint}"
            )
        if len(manifest.sha256) != hashlib.sha256().digest_size:
            raise InvalidInputError(f"header.sha256: {len(manifest.sha256)} bytes; 32 are needed")
        limit = largest_weights(self._shapes, self._max_rank)
        if not 0 < manifest.weights_size <= limit:
            raise InvalidInputError(
                f"header.weights_size: {manifest.weights_size} is not in [1, {limit}], which is what an "
                f"adapter of rank {self._max_rank} for this base model can take"
            )
        read_config(manifest.config_json, self._max_rank)

    async def _commit(self, upload: AdapterUpload) -> bool:
        try:
            async with self._changing:
                return await self._accept(upload.manifest, upload.folder)
        finally:
            upload.discard()
            self._arriving -= 1

    def _check_claim(self, run_id: str, take_over: bool) -> None:
        if not take_over:
            self.claim.check(run_id)

    def _is_claimed_by(self, run_id: str) -> bool:
        claim = self.claim.current
        return claim is not None and claim.run_id == run_id

    def _end_foreign_claim(self, run_id: str) -> None:
        if not self._is_claimed_by(run_id):
            self.claim.end()

    async def _accept(self, manifest: AdapterManifest, staged: Path) -> bool:
        self._check_claim(manifest.run_id, manifest.take_over)
        held = self._held(manifest)
        if held and manifest.version > self._branch.current:
            await self._serve(held)
        elif not held:
            await asyncio.to_thread(check_adapter, staged, self._shapes, self._max_rank)
            await self._install(manifest, staged)
        self._end_foreign_claim(manifest.run_id)
        return held is not None

    def _held(self, manifest: AdapterManifest) -> LoadedAdapter | None:
        """The same adapter if it is held; None if it is to be installed."""
        branch = self._branch
        if manifest.run_id != branch.run_id or manifest.epoch > branch.epoch:
            return None
        if manifest.epoch < branch.epoch:
            raise PreconditionError(
                f"epoch {manifest.epoch} of run {branch.run_id} is over: its learner was started again, and "
                f"version {branch.current} of epoch {branch.epoch} is served"
            )
        held = branch.kept.get(manifest.version)
        if held and held.sha256 != manifest.sha256:
            raise ConflictError(
                f"version {manifest.version} of run {manifest.run_id}, epoch {manifest.epoch}, is held with "
                f"another hash, {held.sha256.hex()}"
            )
        if not held and manifest.version < branch.current:
            raise PreconditionError(
                f"version {manifest.version} is older than version {branch.current}, which is served"
            )
        return held

    async def _install(self, manifest: AdapterManifest, staged: Path) -> None:
        # Names that come from the network are not used as paths.
        folder = self._folder.path / f"{manifest.version}-{manifest.sha256.hex()[:16]}-{staged.name}"
        staged.rename(folder)
        run_id, epoch, version = manifest.run_id, manifest.epoch, manifest.version
        adapter = LoadedAdapter.of_run(run_id, self._role, epoch, version, folder, manifest.sha256)
        try:
            await self._engine.switch(adapter)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        old = self._branch
        same = (run_id, epoch) == (old.run_id, old.epoch)
        kept = {**(old.kept if same else {}), version: adapter}
        for oldest in sorted(kept)[: -self._keep]:
            del kept[oldest]
        self._branch = _Branch(run_id, epoch, version, kept)
        for dropped in old.kept.values():
            if dropped not in kept.values():
                self._forget(dropped)

    def _forget(self, old: LoadedAdapter) -> None:
        # An adapter that the server was started with belongs to someone else.
        if old.folder.parent == self._folder.path:
            shutil.rmtree(old.folder, ignore_errors=True)

    async def _rollback(self, version: int, run_id: str, take_over: bool) -> None:
        async with self._changing:
            self._check_claim(run_id, take_over)
            held = self._branch.kept.get(version)
            if held is None and version != BASE_VERSION:
                kept = ", ".join(map(str, sorted(self._branch.kept))) or "none"
                raise NotFoundError(
                    f"version {version} is not held; held are: {kept}; {BASE_VERSION} is the base model alone"
                )
            if version != self._branch.current:
                await self._serve(held)
            self._end_foreign_claim(run_id)

    async def _serve(self, adapter: LoadedAdapter | None) -> None:
        await self._engine.switch(adapter)
        self._branch = replace(self._branch, current=adapter.version if adapter else BASE_VERSION)


async def _to_the_end(change: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Awaits a change that is completed even if the caller is cancelled half-way."""
    task = asyncio.ensure_future(change)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(_note_failure)
        raise


def _note_failure(change: asyncio.Future[Any]) -> None:
    """Logs why a change failed whose caller does not wait for it any more."""
    if not change.cancelled() and (error := change.exception()):
        _log.warning("a change of the adapter failed after its caller had left: %s", error)
