"""An adapter that is being received: its sender's description, and its bytes on disk as they arrive."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.errors import CorruptDataError, InvalidInputError
from core.files import room_for
from core.role import Role
from serving.adapters.folder import CONFIG_FILE, WEIGHTS_FILE


@dataclass(frozen=True)
class AdapterManifest:
    """The sender's description of an adapter, which comes before the weights."""

    run_id: str
    role: Role | None
    """Role of the adapter; None if the sender named none or an unknown one."""
    version: int
    base_model: str
    config_json: bytes
    weights_size: int
    """Size of adapter_model.safetensors in bytes."""
    sha256: bytes
    epoch: int = 0
    take_over: bool = False
    """Whether it replaces what is served although another run has claimed the server."""


class AdapterUpload:
    """The folder that receives an adapter; the caller must finally call `discard`, whatever happens."""

    def __init__(self, manifest: AdapterManifest, parent: Path) -> None:
        """Makes a new folder in `parent`.

        Raises:
            ExhaustedError: there is no room on the disk.
        """
        self.manifest = manifest
        with room_for(parent):
            self.folder = Path(tempfile.mkdtemp(prefix="incoming-", dir=parent))
        self._digest = hashlib.sha256(manifest.config_json)
        self._received = 0
        try:
            with room_for(self.folder):
                (self.folder / CONFIG_FILE).write_bytes(manifest.config_json)
                self._file = (self.folder / WEIGHTS_FILE).open("wb")
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def add(self, chunk: bytes) -> None:
        """Adds the next bytes of adapter_model.safetensors.

        Raises:
            InvalidInputError: there are more bytes than the header announced.
            ExhaustedError: there is no room on the disk.
        """
        self._received += len(chunk)
        if self._received > self.manifest.weights_size:
            raise InvalidInputError(
                f"adapter: {self._received} bytes have come; weights_size says {self.manifest.weights_size}"
            )
        self._digest.update(chunk)
        with room_for(self.folder):
            self._file.write(chunk)

    def finish(self) -> None:
        """Checks that the adapter has arrived as it was sent.

        Raises:
            CorruptDataError: bytes are missing, or the hash differs.
            ExhaustedError: there is no room on the disk.
        """
        with room_for(self.folder):
            self._file.close()
        if self._received != self.manifest.weights_size:
            raise CorruptDataError(
                f"adapter: {self._received} of {self.manifest.weights_size} bytes have arrived"
            )
        if self._digest.digest() != self.manifest.sha256:
            raise CorruptDataError(
                f"adapter: sha256 of what has arrived is {self._digest.hexdigest()}; "
                f"the header says {self.manifest.sha256.hex()}"
            )

    def discard(self) -> None:
        """Removes the folder; can be called repeatedly."""
        # Closing writes buffered bytes, which fails again if the disk is full.
        with suppress(OSError):
            self._file.close()
        shutil.rmtree(self.folder, ignore_errors=True)
