"""The study's command line."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from studies.curves.study import Place
from studies.nano_curves import run
from tests.studies.curves.outcomes import outcome


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "--out"),
        (["--out", "x", "--horizons", "tiny,endless"], "endless: accepted are tiny, short, long"),
        (["--out", "x", "--methods", "ppo"], "ppo: accepted are hae, hae_boundary, dgae, gae, grpo, gigpo"),
        (["--out", "x", "--seeds", "a"], "seeds"),
        (["--out", "x", "--seeds", "1,2", "--choosing-seeds", "2"], "--choosing-seeds 2: seeds that choose"),
        (["--out", "x", "--learner.updats", "3"], "learner.updates"),
    ],
)
def test_bad_options_are_named(arguments: list[str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        run(arguments)


def test_the_page_of_finished_runs_needs_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HIPER_CACHE", str(tmp_path / "cache"))
    runs = tmp_path / "runs"
    for each in (outcome("gae", seed, 0.5, horizon="tiny") for seed in (0, 1)):
        place = Place(runs, each.cell)
        place.folder.mkdir(parents=True)
        place.outcome.write_text(json.dumps(asdict(each)), encoding="utf-8")
    which = ["--horizons", "tiny", "--learner.episodes_per_update=8"]
    seeds = ["--seeds", "0,1", "--rates", "1e-3", "--choosing_seeds", "7"]
    aside = ["--out", str(runs), "--report_only", "--name", "mine", "--remark", "On a Sunday."]
    assert run([*which, *seeds, *aside]) == 0
    page = (runs / "mine.md").read_text(encoding="utf-8")
    command = "--out DIR --horizons tiny --seeds 0,1 --rates 1e-3 --choosing-seeds 7"
    command += " --learner.episodes_per_update 8`"
    assert command in page and "| flat GAE |" in page
    assert str(runs / "mine.md") in capsys.readouterr().out
    assert not (tmp_path / "cache").exists()
