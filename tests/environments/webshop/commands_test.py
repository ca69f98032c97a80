"""The commands of the shop."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import ConfigurationError, NotFoundError
from environments.errors import MissingDependencyError, UnknownEnvironmentError
from environments.webshop import baselines, nouns
from tests.environments.webshop.shops import record


def test_baselines_are_printed_beside_the_ceiling(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--source", "generated", "--compat", "none", "--step_limit", "6", "--seed", "0"]
    assert baselines.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "200 products" in printed and "1.000 [0.997, 1.000]" in printed
    assert all(name in printed for name in ("ceiling", "rule", "random", "100.0 %"))


def test_baselines_take_every_key_of_the_section(capsys: pytest.CaptureFixture[str]) -> None:
    small = [
        "--source=generated",
        "--generator.products",
        "30",
        "--environment.step_limit=2",
        "--compat=none",
    ]
    assert baselines.main(small) == 0
    assert "30 products" in capsys.readouterr().out
    with pytest.raises(UnknownEnvironmentError, match="Accepted: webshop"):
        baselines.main(["--name", "alfworld"])


def test_nouns_without_the_model_name_what_to_install(tmp_path: Path) -> None:
    products = tmp_path / "items_shuffle.json"
    products.write_text(json.dumps([record("B1")]))
    for words in ([str(products)], ["--environment.data", str(products)]):
        with pytest.raises(MissingDependencyError, match="spacy download en_core_web_sm"):
            nouns.main([*words, "--model", "no_such_model"])
    assert not (tmp_path / "title_nouns.json").exists()


def test_nouns_need_spacy_only_when_asked() -> None:
    with pytest.raises(MissingDependencyError, match="pip install spacy"):
        list(nouns.title_nouns([("B1", "Oak Lamp")], "no_such_model"))


def test_nouns_of_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="items.json"):
        nouns.main([str(tmp_path / "items.json")])
    with pytest.raises(ConfigurationError, match=r"PRODUCTS is missing: .*usage: nouns PRODUCTS"):
        nouns.main([])


def test_nouns_run_in_a_python_that_has_only_spacy_and_rich() -> None:
    program = (
        "import sys, environments.webshop.nouns\n"
        "print([name for name in ('gymnasium', 'tomli_w', 'torch', 'grpc') if name in sys.modules])"
    )
    told = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    ended = subprocess.run(
        [sys.executable, "-c", program], env=told, capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "[]"
