"""The worked episode of docs/hae.md: prints its tables, and draws its segments and advantages."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from configuration.command import main as run
from configuration.command import parse
from configuration.section import Section
from configuration.syntax import NoSections, Syntax
from core.paths import user_path
from hae import Advantages, Episode, EstimatorSettings, TurnBatch, estimate
from studies.markdown import table

SETTINGS = EstimatorSettings.model_validate({"normalize": False})
"""HiPER's settings for ALFWorld, without normalisation."""
BY_DECISION = SETTINGS.model_copy(update={"estimator": "dgae"})
"""The same settings for dgae, with lambda 0.95."""
SUBGOALS = ("find a mug", "", "clean the mug", "", "", "put it on the shelf")
ACTIONS = ("go to table", "take mug", "go to sink", "(not parsed)", "clean mug", "put mug on shelf")


def episode() -> TurnBatch:
    """The batch of one won episode: six turns in three segments, and one action that could not be parsed."""
    return TurnBatch.from_episodes(
        [
            Episode(
                reward=[0.0, 0.0, 0.0, 0.0, 0.0, 10.0],
                switch=[True, False, True, False, False, True],
                terminated=True,
                value_low=[4.2, 6.0, 6.2, 8.9, 6.0, 9.2],
                value_high=[4.0, 4.6, 6.0, 5.6, 6.4, 9.0],
                value_switch=[4.0, 4.4, 5.5, 8.8, 6.2, 8.0],
                action_valid=[True, True, True, False, True, True],
            )
        ]
    )


def rows(batch: TurnBatch, result: Advantages) -> list[str]:
    """The first table of the page, in Markdown; the high level has a dash except at segment starts."""
    columns = ["t", "decision", "subgoal", "action", "r", "V_switch", "V_high", "V_low"]
    columns += ["A_switch", "A_high", "A_low", "target switch", "target high", "target low"]
    lines = []
    for t in range(batch.turns):
        start = bool(result.segment_start[t])
        numbers = [
            (batch.value_switch, True), (batch.value_high, start), (batch.value_low, True),
            (result.switch, True), (result.high, start), (result.low, True),
            (result.target_switch, True), (result.target_high, start), (result.target_low, True),
        ]  # fmt: skip
        texts = [f"{x[t]:.6g}" if said and x is not None else "-" for x, said in numbers]
        decision = "SWITCH" if batch.switch[t] else "KEEP"
        lines.append([str(t), decision, SUBGOALS[t], ACTIONS[t], f"{batch.reward[t]:g}", *texts])
    return table(columns, lines)


def compared(batch: TurnBatch, hae: Advantages, dgae: Advantages) -> list[str]:
    """The second table, in Markdown, with the numbers of HAE and of dgae."""
    names = ["t", "decision"]
    names += [
        f"{estimator} {level}" for level in ("A_switch", "A_high", "A_low") for estimator in ("HAE", "dgae")
    ]
    lines = []
    for t in range(batch.turns):
        start = bool(hae.segment_start[t])
        pairs = [(hae.switch, dgae.switch, True), (hae.high, dgae.high, start), (hae.low, dgae.low, True)]
        cells = [str(t), "SWITCH" if batch.switch[t] else "KEEP"]
        for ours, other, said in pairs:
            cells += [f"{x[t]:.4g}" if said and x is not None else "-" for x in (ours, other)]
        lines.append(cells)
    return table(names, lines)


def _bars(axis: Axes, heights: np.ndarray, colour: str, label: str) -> None:
    axis.bar(np.arange(len(heights)), heights, color=colour, width=0.5)
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set_ylabel(label, rotation=0, ha="right", va="center")
    axis.margins(y=0.35)
    for t, height in enumerate(heights):
        if np.isfinite(height):
            place = (t, height)
            axis.annotate(
                f"{height:.2f}", place, ha="center", va="bottom" if height >= 0 else "top", fontsize=8
            )


def draw(batch: TurnBatch, result: Advantages, path: Path) -> None:
    """Draws the advantages of the three levels, with the segments as grey bands behind them."""
    assert result.switch is not None
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.subplots(3, 1, sharex=True)
    high = np.where(result.segment_start, result.high, np.nan)
    levels = (
        (high, "tab:blue", "A_high\nsubgoals"),
        (result.switch, "tab:green", "A_switch\ndecisions"),
        (result.low, "tab:orange", "A_low\nactions"),
    )
    starts = np.flatnonzero(result.segment_start)
    for axis, (heights, colour, label) in zip(axes, levels, strict=True):
        _bars(axis, heights, colour, label)
        for k, (begin, end) in enumerate(zip(starts, [*starts[1:], batch.turns], strict=True)):
            axis.axvspan(begin - 0.5, end - 0.5, color="black", alpha=0.04 + 0.06 * (k % 2), linewidth=0)
    for begin in starts:
        axes[0].annotate(
            f" {SUBGOALS[begin]}",
            (begin - 0.48, 0.98),
            xycoords=("data", "axes fraction"),
            va="top",
            fontsize=8,
        )
    axes[0].set_xlim(-0.5, batch.turns - 0.5)
    labels = [f"{t}: {'SWITCH' if batch.switch[t] else 'KEEP'}\n{ACTIONS[t]}" for t in range(batch.turns)]
    axes[-1].set_xticks(range(batch.turns), labels, fontsize=8)
    with mpl.rc_context({"svg.hashsalt": "hae", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


class Flags(Section):
    """Options of this command."""

    out: Path = Path("docs/hae.svg")
    """File that the picture is written to."""


def main(argv: Sequence[str]) -> int:
    line = parse(argv, Syntax("hae_example", NoSections, Flags, __doc__))
    path = user_path(line.flags.out)
    batch = episode()
    result = estimate(batch, SETTINGS)
    path.parent.mkdir(parents=True, exist_ok=True)
    draw(batch, result, path)
    print("\n".join(rows(batch, result)))
    print()
    print("\n".join(compared(batch, result, estimate(batch, BY_DECISION))))
    print(path, file=sys.stderr)
    return 0


if __name__ == "__main__":
    run(main)
