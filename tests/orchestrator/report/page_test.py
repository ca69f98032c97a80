"""The page's parts: tiles, tables, folded texts."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest

from configuration.tree import Configuration
from orchestrator.report import page
from orchestrator.report.data import RunData, read
from orchestrator.report.time_parts import Part
from orchestrator.report.writing import write
from run_folder import metric_names as names
from run_folder import saved_configuration
from run_folder.folder import RunFolder


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
    assert "Success" in headings and "Evaluations" not in headings


def test_names_and_texts_are_escaped(data: RunData) -> None:
    html = page.html(data)
    assert "<title>run a &amp; b</title>" in html
    assert "dir = &quot;&lt;here&gt;&quot;" in html


def test_the_page_is_written_whole(data: RunData) -> None:
    path = write(data, data.folder.root)
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


def test_notes_are_shown_and_escaped(data: RunData) -> None:
    html = page.html(replace(data, notes=("<b> is missing.",), running=True))
    (notes,) = re.findall(r'<ul class="notes">(.*?)</ul>', html)
    assert "<li>&lt;b&gt; is missing.</li>" in notes
    assert "still in progress" in notes
    assert '<ul class="notes">' not in page.html(replace(data, notes=()))


def test_only_the_page_s_own_script_may_run(data: RunData) -> None:
    html = page.html(data)
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}' 'strict-dynamic';" in html


@pytest.mark.parametrize("way", ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("])
def test_the_script_never_turns_text_into_html_or_code(data: RunData, way: str) -> None:
    assert way not in page.html(data)


def test_the_page_names_the_data_of_both_runs(data: RunData) -> None:
    assert '<body data-report="report">' in page.html(data)
    assert '<body data-report="report" data-other="../&quot;b&quot;/report">' in page.html(
        data, '../"b"/report'
    )
