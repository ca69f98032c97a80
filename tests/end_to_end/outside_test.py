"""An environment of a package outside this repository, which breaks its contract in mid-episode."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from run_folder.folder import RunFolder
from run_folder.store import EpisodeStore
from tests.end_to_end.processes import SMALL, episodes, run
from tests.end_to_end.tiny import tiny_model

TEMPLATE = Path(__file__).resolve().parents[2] / "docs" / "template_environment"
TASKS = 9
"""Number of the template's training tasks; each batch has each of them once."""

FRAGILE = """
from pathlib import Path

from hiper_counting import Counting, CountingEnvironment


class FragileEnvironment(CountingEnvironment):
    def step(self, action):
        if self._steps == 1 and self._task in Path(__file__).with_name("broken").read_text().split():
            raise RuntimeError("the game has crashed")
        return super().step(action)


class Fragile(Counting):
    name = "fragile"

    def environment(self):
        return FragileEnvironment(self._goals, self._step_limit)


def load(settings):
    return Fragile(settings.step_limit)
"""


def test_a_run_sets_broken_episodes_aside_and_ends_when_they_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIPER_PATH", f"{TEMPLATE}:{tmp_path}")
    (tmp_path / "fragile.py").write_text(FRAGILE)
    broken, root = tmp_path / "broken", tmp_path / "run"

    broken.write_text("train/04 train/07")
    code, output = run(
        "orchestrator.rollout",
        *(option for option in SMALL if "environment." not in option),
        "--environment.name=fragile:load",
        "--environment.step_limit=3",
        f"--model={tiny_model(tmp_path / 'model')}",
        "--planner.context_length=4096",
        "--executor.context_length=4096",
        "--learner.updates=2",
        f"--learner.episodes_per_update={TASKS}",
        f"--run-dir={root}",
    )
    assert code == 2, output
    first = (
        "environment fragile, task train/04, turn 1: raised RuntimeError: the game has crashed (fragile.py,"
    )
    assert f"set aside: {first}" in output
    assert f"2 of the {TASKS} episodes of update 1, and at most 1 may be set aside: " in output
    assert f"To resume the run: ./bazelw run //orchestrator:rollout -- --run-dir {root} --resume" in output

    broken.write_text("train/04")
    code, output = run("orchestrator.rollout", f"--run-dir={root}", "--resume")
    assert code == 0, output
    assert output.count(f"set aside: {first}") == 2
    lines = [json.loads(line) for line in (root / "metrics.jsonl").read_text().splitlines()]
    counted = [(line["episode/count"], line["episode/set_aside"]) for line in lines]
    assert counted == [(TASKS - 1, 1), (TASKS - 1, 1)]
    store = EpisodeStore.reading(RunFolder(root).episodes)
    aside = store.those_set_aside()
    assert sorted([*episodes(root), *aside]) == list(range(2 * TASKS))
    assert all(reason.startswith(first) for reason in aside.values())
    assert "Episodes set aside" in (root / "report.html").read_text()

    code, output = run("orchestrator.evaluate", f"--checkpoint={root}", "--split=train")
    assert code == 0, output
    assert "set aside and not counted: 1 episodes" in output
    result = json.loads((root / "evaluation" / "train-v2.json").read_text())
    assert result["results"]["all"]["episodes"] == TASKS - 1
    (aside_now,) = result["set_aside"]
    assert (aside_now["task_id"], aside_now["sample"]) == ("train/04", 0)
    assert aside_now["reason"].startswith(first)
