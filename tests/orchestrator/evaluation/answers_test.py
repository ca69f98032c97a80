"""Turns that another adapter than the evaluated one has answered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import PreconditionError
from orchestrator.evaluation.answers import AnswerCheck
from run_folder.adapters import AdapterChoice
from serving.adapters.folder import CONFIG_FILE, WEIGHTS_FILE
from serving.adapters.pair import AdapterPair
from trajectory.episode import EMPTY_SPAN, Act, Decision, Generation, Plan, Turn


def turn(planner: bytes, executor: bytes) -> Turn:
    said = Generation((1,), (2,), (-0.5,), 7, 1.0, False, 0.1)
    plan = Plan(
        Decision.SWITCH, "subgoal", True, replace(said, adapter_sha256=planner), EMPTY_SPAN, EMPTY_SPAN
    )
    act = Act("look", True, replace(said, adapter_sha256=executor), EMPTY_SPAN)
    return Turn("seen", plan, act, 0.0, 0.1, 0.01)


def test_only_the_pair_that_is_evaluated_may_answer(tmp_path: Path) -> None:
    pair = AdapterPair.within(tmp_path)
    for role, folder in pair.items():
        folder.mkdir()
        (folder / CONFIG_FILE).write_text("{}")
        (folder / WEIGHTS_FILE).write_text(role.value)
    planner, executor = (bytes.fromhex(digits) for digits in pair.hashes().values())
    check = AnswerCheck(AdapterChoice("v3", 3, pair))
    check(turn(planner, executor))
    with pytest.raises(
        PreconditionError, match="the planner has answered with another adapter .version 7. than v3"
    ):
        check(turn(executor, executor))
    with pytest.raises(PreconditionError, match="the executor has answered"):
        check(turn(planner, b""))


def test_only_the_base_model_may_answer_if_it_is_evaluated() -> None:
    check = AnswerCheck(AdapterChoice("base"))
    check(turn(b"", b""))
    with pytest.raises(PreconditionError, match="the planner has answered .* than base"):
        check(turn(b"1", b""))
