"""The adapter slot of a model server: receives, checks, serves and keeps adapters, and rolls back to them."""

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
"""Run id of an adapter that the server was started with."""


@dataclass(frozen=True)
class SlotState:
    """The version that is served, and those that a rollback can return to."""

    run_id: str
    version: int
    kept_versions: tuple[int, ...]
    """Versions from the oldest to the newest, including the current one."""


@dataclass(frozen=True)
class _Kept:
    adapter: LoadedAdapter
    sha256: bytes


@dataclass(frozen=True)
class _Run:
    """The adapters that are kept, all of the same run."""

    run_id: str = ""
    current: int = BASE_VERSION
    kept: dict[int, _Kept] = field(default_factory=dict)


class AdapterSlot:
    """Keeps the latest adapters of one run, and makes the engine serve one of them.

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
    ) -> None:
        """Keeps up to `keep` adapters, including the current one, in a temporary folder until `close`.

        Receives at most `max_arriving` adapters at a time, because each takes space on the disk.
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
        """Receives an adapter, checks it and switches to it; returns True if it was kept already.

        An upload that fails or is cancelled leaves nothing on the disk. Once everything has arrived, the
        change is completed even if the caller is cancelled, so that slot and engine never disagree.

        Raises:
            InvalidInputError: the header is malformed, the adapter is not plain LoRA, its rank or size is too
                large, or a tensor does not fit the base model or is not finite.
            PreconditionError: it is for another role or base model, or older than the current version.
            ConflictError: the same version is kept with another hash.
            CorruptDataError: the hash or the length differs from the header.
            ExhaustedError: too many adapters are arriving already, or the disk is full.
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
        """Returns to a kept version, or to the base model alone (-1).

        Raises:
            NotFoundError: the version is not kept; names those that are. Nothing changes.
        """
        await _to_the_end(self._rollback(version))

    async def load(self, folder: Path) -> None:
        """Serves an adapter from a PEFT folder as version 0; to be called before the server starts."""
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
        # In a thread: reading and checking large files would block all calls that are being answered.
        await asyncio.to_thread(check_adapter, staged, self._shapes, self._max_rank)
        await self._install(manifest, staged, same_run)
        return False

    async def _install(self, manifest: AdapterManifest, staged: Path, same_run: bool) -> None:
        # The run id comes from the network and must not become part of a path. The staging folder's random
        # name keeps versions apart that are pushed again by another run.
        folder = self._folder.path / f"{manifest.version}-{manifest.sha256.hex()[:16]}-{staged.name}"
        staged.rename(folder)
        name = f"{manifest.run_id}/{self._role.value}@{manifest.version}"
        adapter = LoadedAdapter(name, manifest.version, folder)
        # The state changes only after the engine has switched: if that fails, nothing has happened.
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
        # An adapter that the server was started with is the user's own folder, not to be deleted.
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
    """Awaits a change that is completed even if the caller is cancelled half-way."""
    return await asyncio.shield(asyncio.ensure_future(change))
