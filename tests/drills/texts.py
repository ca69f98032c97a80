"""Drills of parsers: answers of models, game files, product files."""

from __future__ import annotations

import json
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random

from configuration.environment import GeneratorSettings
from core.errors import HiperError
from environments.alfworld.compiler import load_game
from environments.alfworld.generator import GeneratedSource
from environments.webshop.catalogue import load_catalogue
from environments.webshop.files import WebShopFiles
from executor.parser import ExecutorParser
from planner.parser import PlannerParser
from tests.byte_tokenizer import byte_tokenizer
from tests.drills.drill import Effort, Row
from tests.drills.mutate import damaged
from tests.environments.webshop.shops import record

_BEGINNINGS = ("keep", "switch:", " switch : find a mug", "KEEP!", "", "go to shelf 1", "click[")


def answers(effort: Effort) -> Row:
    """Random token sequences as answers: each can be parsed, and its spans are within its tokens."""
    tokenizer = byte_tokenizer()
    planner, executor = PlannerParser(tokenizer), ExecutorParser(tokenizer)
    draw = Random(effort.seed)
    count, survived = effort.count(100_000), 0
    for _ in range(count):
        ids = tokenizer.encode(draw.choice(_BEGINNINGS), add_special_tokens=False)
        ids += [draw.randrange(len(tokenizer)) for _ in range(draw.randrange(24))]
        plan = planner.parse(ids, draw.randrange(2), "the goal", "the subgoal")
        act = executor.parse(ids)
        spans = (plan.decision_span, plan.subgoal_span, act.action_span)
        survived += bool(plan.subgoal) and all(0 <= s.begin <= s.end <= len(ids) for s in spans)
    return Row("texts as answers of models", count, survived)


def game_files(effort: Effort) -> Row:
    """Damaged game files either are refused with an error of ours, or are valid games.

    About half of the files are damaged as a whole, the others only in their PDDL problem.
    """
    source = GeneratedSource(GeneratorSettings(games=1), seed=effort.seed)
    whole = source.read(source.tasks()[0].id)
    fields = json.loads(whole)

    def read(draw: Random) -> None:
        if draw.random() < 0.5:
            load_game(damaged(whole, draw), "the file")
        problem = damaged(fields["pddl_problem"].encode(), draw).decode(errors="replace")
        load_game(json.dumps({**fields, "pddl_problem": problem}), "the file")

    return _read_all("game files", read, effort)


def product_files(effort: Effort) -> Row:
    """Damaged files of products, annotations and nouns are refused with an error of ours, or are valid."""
    asins = [f"A{number}" for number in range(4)]
    annotation = {"attributes": ["soft"], "instruction": "Find", "instruction_attributes": ["soft"]}
    options = {"size": [{"value": "60 feet", "image": None}]}
    contents = {
        "products": [record(asin, customization_options=options) for asin in asins],
        "annotations": dict.fromkeys(asins, annotation),
        "nouns": {asin: ["lamp"] for asin in asins},
    }
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f"{name}.json" for name in contents}
        files = WebShopFiles(
            Path(folder), "small", paths["products"], paths["annotations"], None, paths["nouns"]
        )

        def read(draw: Random) -> None:
            chosen = draw.choice(list(contents))
            for name, content in contents.items():
                text = json.dumps(content).encode()
                paths[name].write_bytes(damaged(text, draw) if name == chosen else text)
            load_catalogue(files)

        return _read_all("product files", read, effort)


def _read_all(name: str, read: Callable[[Random], None], effort: Effort) -> Row:
    draw = Random(effort.seed)
    count, survived, refused = effort.count(1000), 0, 0
    for _ in range(count):
        try:
            read(draw)
        except HiperError:
            refused += 1
        except Exception as error:
            traceback.print_exception(error, limit=-2)
            continue
        survived += 1
    return Row(name, count, survived, note=f"{refused:,} refused by name, the others read")
