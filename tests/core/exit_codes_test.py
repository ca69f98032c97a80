"""Which error ends a command with which code, and which status a call that raised it has."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import grpc
import pytest

from core.errors import (
    AddressInUseError,
    ConfigurationError,
    ConflictError,
    CorruptDataError,
    DivergedError,
    ExhaustedError,
    HiperError,
    InvalidInputError,
    NotFoundError,
    PreconditionError,
    UnavailableError,
)
from core.exit_codes import EXIT_CODES, FAILED, REFUSED, Interrupted, of_error
from environments.alfworld.errors import GameFileError
from environments.errors import BenchmarkError, DataNotFoundError, UnknownTaskError
from orchestrator.clients.identity import WrongRoleError
from orchestrator.progress.watch import LearnerFailedError
from orchestrator.servers.services import ServiceDiedError, ServiceRefusedError
from serving.rpc.codes import CODES
from serving.rpc.connection import WrongServerError
from serving.rpc.status import status_code
from trajectory.validation import EpisodeError


def tree(kind: type[HiperError] = HiperError) -> Iterator[type[HiperError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from tree(below)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (HiperError("x"), FAILED),
        (UnavailableError("x"), FAILED),
        (ExhaustedError("x"), FAILED),
        (DivergedError("x"), FAILED),
        (LearnerFailedError("x"), FAILED),
        (ServiceDiedError("crashed", "it crashed"), FAILED),
        (ServiceRefusedError("a key that is unknown", "it refused"), REFUSED),
        (AddressInUseError("x"), REFUSED),
        (InvalidInputError("x"), REFUSED),
        (ConfigurationError("x"), REFUSED),
        (NotFoundError("x"), REFUSED),
        (CorruptDataError("x"), REFUSED),
        (ConflictError("x"), REFUSED),
        (PreconditionError("x"), REFUSED),
        (WrongRoleError("another server"), REFUSED),
        (WrongServerError("x"), REFUSED),
        (BenchmarkError("x"), REFUSED),
        (DataNotFoundError("x"), REFUSED),
        (UnknownTaskError("x", ["y"]), REFUSED),
        (GameFileError("game", "cut off"), REFUSED),
    ],
)
def test_what_cannot_be_done_as_asked_is_two_and_a_failure_one(error: HiperError, code: int) -> None:
    assert of_error(error) == code


def test_every_error_of_the_tree_has_an_exit_code_and_a_status() -> None:
    kinds = set(tree())
    assert {EpisodeError, GameFileError, ServiceRefusedError, UnknownTaskError} <= kinds
    for kind in kinds:
        error = kind.__new__(kind)
        assert of_error(error) in (FAILED, REFUSED)
        assert (status_code(error) is grpc.StatusCode.INTERNAL) == (
            not issubclass(kind, tuple(CODES.keys() - {HiperError}))
        ), kind


def test_a_status_stands_for_one_error() -> None:
    assert len(set(CODES.values())) == len(CODES)
    assert set(EXIT_CODES.values()) == {FAILED, REFUSED}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_has_the_code_that_shells_write(number: signal.Signals, code: int) -> None:
    assert Interrupted(number).exit_code == code
