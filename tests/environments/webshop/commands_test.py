"""The commands of the shop."""

import json
from pathlib import Path

import pytest

from environments.errors import MissingDependencyError
from environments.webshop import baselines, nouns
from tests.environments.webshop.shops import record


def test_baselines_are_printed_beside_the_ceiling(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--source", "generated", "--compat", "none", "--step_limit", "6", "--seed", "0"]
    monkeypatch.setattr("sys.argv", ["baselines", *arguments])
    assert baselines.main() == 0
    printed = capsys.readouterr().out
    assert "200 products" in printed and "1.000 [1.000, 1.000]" in printed
    assert all(name in printed for name in ("ceiling", "rule", "random", "100.0 %"))


def test_nouns_without_the_model_name_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    products = tmp_path / "items_shuffle.json"
    products.write_text(json.dumps([record("B1")]))
    assert nouns.main([str(products), "--model", "no_such_model"]) == 2
    assert "spacy download en_core_web_sm" in capsys.readouterr().err
    assert not (tmp_path / "title_nouns.json").exists()


def test_nouns_need_spacy_only_when_asked() -> None:
    with pytest.raises(MissingDependencyError, match="pip install spacy"):
        list(nouns.title_nouns([("B1", "Oak Lamp")], "no_such_model"))


def test_nouns_of_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        nouns.main([str(tmp_path / "items.json")])
    assert "items.json" in capsys.readouterr().err
