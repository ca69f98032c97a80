"""Tells whether an episode was answered by the adapters that the run has now, or by versions that it gave up.

A learner that restores an older checkpoint than the newest makes the later versions again, maybe with other
weights. Episodes that the versions before have answered may be in the store already.
"""

from __future__ import annotations

from collections.abc import Mapping

from hiper.v1 import episode_pb2 as pb

from core.role import Role
from learner.service.provenance import answers
from learner.service.published import PublishedAdapters
from run_folder.adapter_hashes import recorded_hashes
from run_folder.folder import RunFolder
from trajectory.validation import EpisodeError


class Lineage:
    """The adapters of the run, by their hashes. Called from one thread at a time."""

    def __init__(self, folder: RunFolder, published: PublishedAdapters) -> None:
        self._folder, self._published = folder, published
        self._on_disk: dict[int, dict[Role, bytes]] = {}

    def check(self, episode: pb.Episode, version: int) -> None:
        """Checks an episode before it is trained on by the update of `version`.

        An answer without a hash, which an earlier release has stored, is only refused for its version.

        Raises:
            EpisodeError: names the first turn and field of an answer that the run's adapters did not give.
        """
        for where, role, generation in answers(episode):
            answered = generation.adapter_version
            if not 0 <= answered <= version:
                raise EpisodeError(f"{where}: adapter_version: {answered} is not in 0 to {version}")
            expected = self._hash_of(answered, role)
            if generation.adapter_sha256 and expected and generation.adapter_sha256 != expected:
                raise EpisodeError(
                    f"{where}: adapter_sha256: version {answered} of the {role.value} has another hash; the "
                    f"one that answered was given up when an older checkpoint was restored"
                )

    def check_restored(self, episode: pb.Episode, version: int) -> None:
        """Checks an episode that is not trained on yet when the checkpoint of `version` is restored.

        An answer by a later version, without a hash, cannot be recognised after that version is made again.

        Raises:
            EpisodeError: names the first turn and field of such an answer.
        """
        for where, _, generation in answers(episode):
            if generation.adapter_version > version and not generation.adapter_sha256:
                raise EpisodeError(
                    f"{where}: adapter_version: {generation.adapter_version} was given up when version "
                    f"{version} was restored"
                )

    def _hash_of(self, version: int, role: Role) -> bytes | None:
        """The hash of the version as it is published, or else as it is on the disk; None if it is gone."""
        if (published := self._published.hash_of(version, role)) is not None:
            return published
        if version not in self._on_disk:
            hashes = recorded_hashes(self._folder, version) or self._computed(version)
            self._on_disk[version] = {each: bytes.fromhex(digits) for each, digits in hashes.items()}
        return self._on_disk[version].get(role)

    def _computed(self, version: int) -> Mapping[Role, str]:
        try:
            return self._folder.pair(version).hashes()
        except OSError:
            return {}
