"""Checks that the adapters under evaluation have answered, and no others."""

from __future__ import annotations

from core.errors import PreconditionError
from core.role import Role
from run_folder.adapters import AdapterChoice
from trajectory.episode import Generation, Turn


class AnswerCheck:
    """Refuses turns that other adapters have answered.

    Servers that were taken over from a run are given back its adapters by its learner, within seconds.
    """

    def __init__(self, adapters: AdapterChoice) -> None:
        """Reads both adapters for their hashes."""
        self._label = adapters.label
        self._hashes = {role: bytes.fromhex(digits) for role, digits in adapters.hashes.items()}

    def __call__(self, turn: Turn) -> None:
        """Checks both answers of a turn.

        Raises:
            PreconditionError: another adapter has answered.
        """
        self._check(Role.PLANNER, turn.plan.generation)
        self._check(Role.EXECUTOR, turn.act.generation)

    def _check(self, role: Role, answer: Generation) -> None:
        if answer.adapter_sha256 != self._hashes.get(role.value, b""):
            raise PreconditionError(
                f"the {role.value} has answered with another adapter (version {answer.adapter_version}) than "
                f"{self._label}, which is evaluated: the run to which the server belongs has pushed its own "
                f"again. Evaluate on servers of no run, or when the run has ended"
            )
