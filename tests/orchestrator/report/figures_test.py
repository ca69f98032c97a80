"""Figures: what is drawn where, and what is left out."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from core.intervals import Mean, Proportion, wilson
from orchestrator.report import figures
from orchestrator.report.data import EvaluationSummary
from orchestrator.report.figures import EPISODE_PANELS, UPDATE_PANELS, Panel, small_multiples, success_figure
from run_folder import metric_names as names


def line(version: int, rate: float, count: int = 4, **more: float) -> dict[str, float]:
    return {
        names.ADAPTER_VERSION: version,
        names.SUCCESS_RATE: rate,
        names.EPISODE_COUNT: count,
        **{name.replace("__", "/"): value for name, value in more.items()},
    }


def evaluation(version: int, split: str = "valid_seen", rate: float = 0.5) -> EvaluationSummary:
    return EvaluationSummary(
        file=f"{split}-v{version}.json",
        split=split,
        label=f"v{version}",
        version=version,
        episodes=10,
        success=Proportion(rate, rate - 0.1, rate + 0.2),
        score=Mean(rate, rate - 0.05, rate + 0.05),
        turns=7.0,
    )


def xy(line: Line2D) -> npt.NDArray[np.float64]:
    """[point, 2] what is drawn, in units of the axes."""
    return np.asarray(line.get_xydata())


def texts(svg: str) -> list[str]:
    """All texts of a figure, which also proves that it is XML."""
    return [
        "".join(each.itertext()).strip()
        for each in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    ]


def test_batches_are_drawn_at_the_version_that_played_with_their_intervals() -> None:
    axes = Figure().subplots()
    lines = [line(1, 0.25), line(2, 0.75), line(3, 1.0)]
    rates = [wilson(won, 4) for won in (1, 3, 4)]
    figures._batches(axes, lines, rates)
    points, average = axes.lines
    assert xy(points).tolist() == [[0, 0.25], [1, 0.75], [2, 1.0]]
    assert xy(average)[:, 1] == pytest.approx([0.25, 0.5, 2 / 3])
    (band,) = axes.collections
    corners = {tuple(corner) for corner in np.asarray(band.get_paths()[0].vertices).round(9).tolist()}
    for version, rate in enumerate(rates):
        assert {(version, round(rate.low, 9)), (version, round(rate.high, 9))} <= corners


def test_evaluations_are_drawn_with_their_intervals_and_splits_a_little_apart() -> None:
    axes = Figure().subplots()
    found = [evaluation(0), evaluation(10, rate=0.6), evaluation(10, "valid_unseen")]
    figures._evaluated(axes, [(one, one.success) for one in found])
    seen, unseen = (each for each in axes.containers if isinstance(each, ErrorbarContainer))
    assert xy(seen.lines[0]).ravel() == pytest.approx([0, 0.5, 10, 0.6])
    assert xy(unseen.lines[0]).ravel() == pytest.approx([10.08, 0.5])
    (bars,) = unseen.lines[2]
    assert bars.get_segments()[0][:, 1] == pytest.approx([0.4, 0.7])
    assert [seen.get_label(), unseen.get_label()] == ["evaluation, valid_seen", "evaluation, valid_unseen"]


def test_the_base_model_has_no_place_among_the_versions() -> None:
    lines = [line(1, 0.5)]
    assert "evaluation, valid_seen" in texts(success_figure(lines, [evaluation(0)]))
    assert "evaluation, valid_seen" not in texts(success_figure(lines, [evaluation(-1)]))


def test_a_figure_says_what_it_shows() -> None:
    shown = texts(success_figure([line(1, 0.5)], []))
    for text in ("success", "95 % interval (Wilson)", "a batch", "mean of 5 updates", "100%"):
        assert text in shown, text


def test_lines_without_a_rate_are_left_out() -> None:
    svg = success_figure([{names.ADAPTER_VERSION: 1.0}, line(2, 0.5)], [])
    assert "a batch" in texts(svg)
    assert "a batch" not in texts(success_figure([{names.ADAPTER_VERSION: 1.0}], [evaluation(1)]))


def test_figures_are_the_same_for_the_same_data_and_share_no_ids() -> None:
    lines = [line(1, 0.5, critic__loss=1.0), line(2, 0.5, critic__loss=2.0)]
    panels = [Panel("loss", (("", "critic/loss"),))]
    first, again, other = (small_multiples(name, panels, lines) for name in ("a", "a", "b"))
    assert first == again
    ids = [set(re.findall(r'<(?:clipPath|path) id="([^"]+)"', svg)) for svg in (first, other)]
    assert ids[0] and not ids[0] & ids[1]


def test_small_multiples_show_only_panels_with_a_metric() -> None:
    panels = (
        Panel("both", (("one", "x/one"), ("two", "x/two"))),
        Panel("none", (("", "x/none"),)),
        Panel("share", (("", "x/share"),), percent=True),
    )
    shown = texts(small_multiples("a", panels, [line(1, 0.5, x__one=1.5, x__share=0.25)]))
    assert "both" in shown and "share" in shown and "none" not in shown
    assert "one" in shown and "two" not in shown, "a curve without points has no label"
    assert any(text.endswith("%") for text in shown)
    assert small_multiples("a", panels[1:2], [line(1, 0.5)]) == ""
    assert small_multiples("a", panels, []) == ""


def test_a_curve_has_the_points_that_the_lines_hold() -> None:
    axes = Figure().subplots()
    lines = [line(1, 0.5, x__loss=3.0), line(2, 0.5), line(4, 0.5, x__loss=1.0)]
    figures._panel(axes, Panel("loss", (("", "x/loss"),)), lines)
    (curve,) = axes.lines
    assert xy(curve).tolist() == [[1, 3.0], [4, 1.0]]
    assert curve.get_marker() == "o", "few points are marked"
    many = Figure().subplots()
    figures._panel(many, Panel("loss", (("", "x/loss"),)), [line(v, 0.5, x__loss=v) for v in range(20)])
    assert many.lines[0].get_marker() == ""


@pytest.mark.parametrize(
    ("value", "percent", "limits"),
    [
        (1.0, True, (-0.05, 1.05)),
        (0.0, False, (-0.05, 1.05)),
        (8.0, False, (-0.8, 16.8)),
        (-2.0, False, (-4.2, 0.2)),
    ],
)
def test_a_value_that_never_changes_has_an_axis_from_zero(
    value: float, percent: bool, limits: tuple[float, float]
) -> None:
    axes = Figure().subplots()
    figures._panel(axes, Panel("a", (("", "x/a"),), percent), [line(v, 0.5, x__a=value) for v in (1, 2)])
    assert axes.get_ylim() == pytest.approx(limits)


def test_the_moving_average_forgets_what_is_older_than_its_window() -> None:
    assert figures.moving_average([1, 0, 0, 0, 0, 0], [2] * 6) == pytest.approx(
        [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5, 0]
    )
    assert figures.moving_average([], []) == []


def test_every_panel_has_a_title_and_metrics_of_its_own() -> None:
    panels = (*EPISODE_PANELS, *UPDATE_PANELS)
    assert len({panel.title for panel in panels}) == len(panels)
    metrics = [metric for panel in panels for _, metric in panel.curves]
    assert len(set(metrics)) == len(metrics)
    for panel in panels:
        assert len(panel.curves) == 1 or all(label for label, _ in panel.curves), panel.title
