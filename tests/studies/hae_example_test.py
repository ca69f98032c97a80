"""docs/hae.md: every number of the worked episode, and the ten lines for other trainers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.literal import episodes_of, literal_hae
from benchmarks.literal_dgae import literal_dgae
from hae import estimate, shaped_rewards
from studies.hae_example import BY_DECISION, SETTINGS, compared, episode, main, rows

PAGE = (Path(__file__).parents[2] / "docs" / "hae.md").read_text(encoding="utf-8")
LINE = re.compile(r"^(\w+)\((\d)\) = ([-+*.() \d]+) = (-?[.\d]+)$", re.MULTILINE)


def test_the_tables_are_what_the_library_gives() -> None:
    batch = episode()
    hae, dgae = estimate(batch, SETTINGS), estimate(batch, BY_DECISION)
    assert "\n".join(rows(batch, hae)) in PAGE
    assert "\n".join(compared(batch, hae, dgae)) in PAGE


def test_every_line_of_arithmetic_is_right_and_is_what_the_equations_give() -> None:
    batch = episode()
    slow = literal_hae(episodes_of(batch), SETTINGS)
    by_decision = literal_dgae(episodes_of(batch), BY_DECISION)
    expected = {
        "r": shaped_rewards(batch, SETTINGS),
        "G": slow.target_switch,
        "A_switch": slow.switch,
        "A_high": slow.high,
        "A_low": slow.low,
        "D_switch": by_decision.switch,
        "D_high": by_decision.high,
        "D_low": by_decision.low,
    }
    lines = LINE.findall(PAGE)
    assert len(lines) == 4 * 6 + 3 + 2 * 6 + 3
    for name, turn, expression, value in lines:
        digits = 1e-4 if name.startswith("D_") else 1e-9
        assert eval(expression) == pytest.approx(float(value), abs=digits), (name, turn)
        assert float(value) == pytest.approx(expected[name][int(turn)], abs=digits), (name, turn)


def test_the_lines_for_other_trainers_run() -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    batch = episode()
    names = ("reward", "switch", "terminated", "value_low", "value_high", "value_switch")
    inputs = {name: torch.from_numpy(getattr(batch, name).copy()) for name in names}
    masks = {name: torch.zeros(6, 3, dtype=torch.bool) for name in ("decision", "subgoal", "action")}
    for token, mask in enumerate(masks.values()):
        mask[:, token] = True
    scope: dict[str, Any] = {"torch": torch, "offsets": batch.episode_offsets, **inputs, **masks}
    exec(snippet, scope)
    turns = scope["turns"]
    expected = np.stack([turns.switch, turns.high, turns.low], axis=1)
    np.testing.assert_allclose(scope["advantages"].numpy(), expected, rtol=1e-6)


def test_the_picture_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path / "new" / "hae.svg")]) == 0
    assert (tmp_path / "new" / "hae.svg").read_text().rstrip().endswith("</svg>")
    assert capsys.readouterr().out.startswith("| t | decision |")
