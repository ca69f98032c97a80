"""Whether and how the learner is started once for each rank."""

from __future__ import annotations

import base64
import json

import pytest
import torch
from pydantic import ValidationError

from configuration.learner import LearnerSettings
from core.errors import InvalidInputError, PreconditionError
from learner.service.launch import launcher_command, must_launch
from learner.update.ranks import join


def test_only_several_ranks_that_nobody_has_started_are_launched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    assert not must_launch(LearnerSettings())
    assert must_launch(LearnerSettings(ranks=2))
    monkeypatch.setenv("RANK", "1")
    assert not must_launch(LearnerSettings(ranks=2))


def test_more_ranks_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert must_launch(LearnerSettings(ranks=2))
    with pytest.raises(InvalidInputError, match=r"learner.ranks = 3: this machine has 2 GPUs"):
        must_launch(LearnerSettings(ranks=3))


def test_the_launcher_is_told_the_ranks_and_the_command() -> None:
    command = launcher_command([2, 5], "learner.server", ["--run-dir", "runs/a"])
    world = next(word.partition("=")[2] for word in command if word.startswith("--world_info"))
    assert json.loads(base64.urlsafe_b64decode(world)) == {"localhost": [2, 5]}
    assert command[-4:] == ["--module", "learner.server", "--run-dir", "runs/a"]


def test_another_number_of_processes_than_ranks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(PreconditionError, match="learner.ranks = 2, but 4 processes were started"):
        join(2)


def test_sharding_needs_deepspeed() -> None:
    with pytest.raises(ValidationError, match="zero_stage = 1 is DeepSpeed's"):
        LearnerSettings(zero_stage=1)
    assert LearnerSettings(zero_stage=1, optimizer="deepspeed").with_deepspeed
    assert LearnerSettings(zero_stage=3, ranks=2).with_deepspeed
