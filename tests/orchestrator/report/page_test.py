"""The page's parts: tiles, tables, folded texts."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from configuration.tree import Configuration
from orchestrator.report import page
from orchestrator.report.data import RunData, ShownEpisode, read
from orchestrator.report.episode import episode_html
from orchestrator.report.time_parts import Part
from run_folder import metric_names as names
from run_folder import saved_configuration
from run_folder.folder import RunFolder
from run_folder.store import TurnAdvantages
from tests.orchestrator.progress.moments import episode
from tests.play.answers import act
from trajectory.episode import Turn


@pytest.fixture
def data(tmp_path: Path) -> RunData:
    root = tmp_path / "a & b"
    root.mkdir()
    configuration = Configuration.model_validate({"run": {"dir": "<here>"}})
    saved_configuration.write(RunFolder(root), configuration)
    return read(root)


def tiles(html: str) -> dict[str, str]:
    return {name: value for value, name in re.findall(r"<div><b>(.*?)</b><span>(.*?)</span></div>", html)}


def with_rates(data: RunData, *rates: float) -> RunData:
    lines = [
        {names.ADAPTER_VERSION: n, names.SUCCESS_RATE: rate, names.EPISODE_COUNT: 4, names.TIME_GATHER: 50.0}
        for n, rate in enumerate(rates)
    ]
    return replace(data, lines=tuple(lines))


def test_success_is_compared_between_the_first_and_the_last_five_updates(data: RunData) -> None:
    shown = tiles(page.html(with_rates(data, 0, 0, 0, 0, 0.5, 1, 1)))
    assert shown["success, first 5 updates"] == "10.0%"
    assert shown["success, last 5 updates"] == "50.0%"
    assert shown["updates"] == "7"
    assert shown["learner&#x27;s time"] == "5 min 50 s"


def test_a_short_run_is_compared_with_what_there_is(data: RunData) -> None:
    shown = tiles(page.html(with_rates(data, 0.25)))
    assert (shown["success, first update"], shown["success, last update"]) == ("25.0%", "25.0%")
    shown = tiles(page.html(with_rates(data, 0.25, 0.75)))
    assert (shown["success, first 2 updates"], shown["success, last 2 updates"]) == ("50.0%", "50.0%")


def test_sections_without_content_are_left_out(data: RunData) -> None:
    headings = re.findall("<h2>(.*?)</h2>", page.html(data))
    assert headings == ["Configuration"]
    headings = re.findall("<h2>(.*?)</h2>", page.html(with_rates(data, 0.5)))
    assert "Success" in headings and "Evaluations" not in headings and "Two episodes" not in headings


def test_names_and_texts_are_escaped(data: RunData) -> None:
    html = page.html(data)
    assert "<title>run a &amp; b</title>" in html
    assert "dir = &quot;&lt;here&gt;&quot;" in html


def test_the_page_is_written_whole(data: RunData) -> None:
    path = page.write(data, data.folder.root)
    assert path == data.folder.root / "report.html"
    assert path.read_text().endswith("</html>\n")


def test_a_table_s_cells_are_text() -> None:
    assert page.table(("a", "<b>"), [("1", "x & y"), ("2", "")]) == (
        "<table><tr><th>a</th><th>&lt;b&gt;</th></tr>\n"
        "<tr><td>1</td><td>x &amp; y</td></tr>\n<tr><td>2</td><td></td></tr>\n</table>\n"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 min 0 s"),
        (59.4, "0 min 59 s"),
        (59.6, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (9000, "2 h 30 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert page._duration(seconds) == text


def test_the_time_has_a_bar_and_a_table_with_the_same_shares() -> None:
    html = page._time([Part("one", 3.0), Part("<two>", 1.0)])
    assert re.findall(r"width:([\d.]+)%", html) == ["75.0", "25.0"]
    assert re.findall(r"<td>([\d.]+ [s%])</td>", html) == ["3.0 s", "75.0 %", "1.0 s", "25.0 %"]
    assert "<th>4.0 s</th><th>100.0 %</th>" in html
    assert "&lt;two&gt;" in html and "<two>" not in html


def episode_rows(shown: ShownEpisode) -> list[list[str]]:
    """Cells of each row below the headings."""
    rows = re.findall("<tr.*?</tr>", episode_html(shown))[1:]
    return [re.findall("<td.*?>(.*?)</td>", row) for row in rows]


def test_an_episode_has_a_row_for_each_turn_and_each_subgoal() -> None:
    first, second = episode(0).turns
    third = Turn("<hall>", first.plan, act("da&nce", 5, valid=False), 1.0, 2.0, 0.5)
    given = (TurnAdvantages(0.5, 1.5, None), TurnAdvantages(-0.25, 0.0, 2.0), TurnAdvantages(0.0, -1.0, 3.0))
    rows = episode_rows(ShownEpisode(replace(episode(0), turns=(first, second, third)), given))
    assert [row[1] for row in rows] == [
        "subgoal: find a mug",
        "room",
        "room",
        "subgoal: find a mug",
        "&lt;hall&gt;",
    ]
    assert rows[0][2] == "A_high +1.500" and rows[3][2] == "A_high -1.000"
    assert rows[1][4] == "A_low +0.500", "there is no switch advantage at the first turn"
    assert rows[2][4] == "A_switch +2.000<br>A_low -0.250"
    assert rows[1][2] == 'switch <span class="dim">@0</span>'
    assert rows[4][3] == '<span class="bad">da&amp;nce (invalid)</span> <span class="dim">@5</span>'
    assert [row[-1] for row in rows] == ["", "", "", "", "1"]


def test_an_episode_that_no_update_has_used_has_no_advantages() -> None:
    rows = episode_rows(ShownEpisode(episode(0), ()))
    assert all("A_" not in cell for row in rows for cell in row)


@pytest.mark.parametrize(
    ("shown", "ending"),
    [
        (episode(0, won=True), "won after 2 turns, score 1, 1.0 s"),
        (episode(0), "lost after 2 turns, score 0, 1.0 s"),
        (episode(0, terminated=False), "out of turns after 2 turns, score 0, 1.0 s"),
    ],
)
def test_an_episode_s_ending_is_said(shown: object, ending: str) -> None:
    assert ending in episode_html(ShownEpisode(shown, ()))  # type: ignore[arg-type]
