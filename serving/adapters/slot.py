"""The place of the adapter in a model server: staged, checked, switched to, kept, rolled back to."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
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
from serving.adapters.folder import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    adapter_hash,
    base_shapes,
    check_adapter,
    largest_weights,
    read_config,
)
from serving.adapters.upload import AdapterManifest, AdapterUpload
from serving.engine import BASE_VERSION, Engine, LoadedAdapter
from serving.model import ModelFolder

ResultT = TypeVar("ResultT")

_LOCAL_RUN = "local"
"""Run of an adapter that the server was started with."""


@dataclass(frozen=True)
class SlotState:
    """What is served, and what a rollback can go to."""

    run_id: str
    version: int
    kept_versions: tuple[int, ...]
    """Oldest first, the current one among them."""


@dataclass(frozen=True)
class _Kept:
    adapter: LoadedAdapter
    sha256: bytes


@dataclass(frozen=True)
class _Run:
    """The adapters that are held, all of one run."""

    run_id: str = ""
    current: int = BASE_VERSION
    kept: dict[int, _Kept] = field(default_factory=dict)


class AdapterSlot:
    """Holds the last adapters of one run and has the engine serve one of them.

    A failure at any point leaves the engine with what it served. Changes wait for one another.
    """

    def __init__(
        self,
        engine: Engine,
        role: Role,
        model: ModelFolder,
        max_rank: int,
        keep: int,
        max_arriving: int = 4,
    ) -> None:
        """`keep` adapters are held, the current one among them, in a temporary folder until `close`.

        At most `max_arriving` adapters are taken in at once: each needs room on the disk.
        """
        self._engine, self._role, self._model = engine, role, model
        self._max_rank, self._keep = max_rank, keep
        self._shapes = base_shapes(model.path)
        self._folder = TemporaryFolder(f"hiper-slot-{role.value}-")
        self._max_arriving, self._arriving = max_arriving, 0
        self._run = _Run()
        self._changing = asyncio.Lock()

    @property
    def role(self) -> Role:
        return self._role

    @property
    def model(self) -> ModelFolder:
        return self._model

    @property
    def state(self) -> SlotState:
        return SlotState(self._run.run_id, self._run.current, tuple(sorted(self._run.kept)))

    async def take(self, manifest: AdapterManifest, chunks: AsyncIterator[bytes]) -> bool:
        """Takes an adapter in, checks it and switches to it; True if it was held already.

        Whatever ends the arrival, a cancelled caller too, leaves nothing on the disk. Once all has arrived
        the change runs to its end even if the caller is cancelled, so that slot and engine never disagree.

        Raises:
            InvalidInputError: a malformed header, not plain LoRA, a rank or size over the limit, or a tensor
                that does not fit the base model or is not finite.
            PreconditionError: another role or base model, or older than the current version.
            ConflictError: this version is held with another hash.
            CorruptDataError: the hash or length does not fit.
            ExhaustedError: as many adapters as are allowed arrive already, or the disk is full.
        """
        self._check_manifest(manifest)
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

    async def rollback(self, version: int) -> None:
        """Serves a held version again, or the base model alone (-1).

        Raises:
            NotFoundError: names the versions that are held; nothing changes.
        """
        await _to_the_end(self._rollback(version))

    async def load(self, folder: Path) -> None:
        """Serves an adapter from a PEFT folder, as version 0; used before the first call."""
        check_adapter(folder, self._shapes, self._max_rank)
        adapter = LoadedAdapter(f"{_LOCAL_RUN}/{self._role.value}@0", 0, folder)
        await self._engine.switch(adapter)
        sha256 = adapter_hash((folder / CONFIG_FILE).read_bytes(), folder / WEIGHTS_FILE)
        self._run = _Run(_LOCAL_RUN, 0, {0: _Kept(adapter, sha256)})

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

    async def _accept(self, manifest: AdapterManifest, staged: Path) -> bool:
        same_run = manifest.run_id == self._run.run_id
        held = self._run.kept.get(manifest.version) if same_run else None
        if held and held.sha256 != manifest.sha256:
            raise ConflictError(
                f"version {manifest.version} of run {manifest.run_id} is held with another hash, "
                f"{held.sha256.hex()}"
            )
        if same_run and not held and manifest.version < self._run.current:
            raise PreconditionError(
                f"version {manifest.version} is older than version {self._run.current}, which is served"
            )
        if held:
            if manifest.version > self._run.current:
                await self._serve(held.adapter)
            return True
        await asyncio.to_thread(check_adapter, staged, self._shapes, self._max_rank)
        await self._install(manifest, staged, same_run)
        return False

    async def _install(self, manifest: AdapterManifest, staged: Path, same_run: bool) -> None:
        # Names that come from the network are not used as paths.
        folder = self._folder.path / f"{manifest.version}-{manifest.sha256.hex()[:16]}-{staged.name}"
        staged.rename(folder)
        name = f"{manifest.run_id}/{self._role.value}@{manifest.version}"
        adapter = LoadedAdapter(name, manifest.version, folder)
        try:
            await self._engine.switch(adapter)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        kept = dict(self._run.kept) if same_run else {}
        dropped = {} if same_run else dict(self._run.kept)
        kept[manifest.version] = _Kept(adapter, manifest.sha256)
        for version in sorted(kept)[: -self._keep]:
            dropped[version] = kept.pop(version)
        self._run = _Run(manifest.run_id, manifest.version, kept)
        for old in dropped.values():
            self._forget(old)

    def _forget(self, old: _Kept) -> None:
        # An adapter that the server was started with belongs to someone else.
        if old.adapter.folder.parent == self._folder.path:
            shutil.rmtree(old.adapter.folder, ignore_errors=True)

    async def _rollback(self, version: int) -> None:
        async with self._changing:
            if version == BASE_VERSION:
                await self._engine.switch(None)
                self._run = _Run(self._run.run_id, BASE_VERSION, self._run.kept)
                return
            held = self._run.kept.get(version)
            if held is None:
                kept = ", ".join(map(str, sorted(self._run.kept))) or "none"
                raise NotFoundError(
                    f"version {version} is not held; held are: {kept}; {BASE_VERSION} is the base model alone"
                )
            if version != self._run.current:
                await self._serve(held.adapter)

    async def _serve(self, adapter: LoadedAdapter) -> None:
        await self._engine.switch(adapter)
        self._run = _Run(self._run.run_id, adapter.version, self._run.kept)


async def _to_the_end(change: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Awaits a change that a cancelled caller does not stop half-way."""
    return await asyncio.shield(asyncio.ensure_future(change))
