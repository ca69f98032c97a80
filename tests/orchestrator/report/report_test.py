"""The report of a small recorded run."""

from __future__ import annotations

import json
import re
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configuration.files import to_toml
from configuration.tree import Configuration
from core.errors import HiperError
from core.exit_codes import REFUSED, of_error
from orchestrator import report as run_report
from orchestrator.report.figures import moving_average, score_figure
from orchestrator.report.time_parts import Part, percentages, time_parts
from orchestrator.report_run import report_run
from run_folder.store import EpisodeStore
from run_folder.turn_advantages import TurnAdvantages
from tests.play.answers import act, keep, switch
from trajectory.episode import Episode, EpisodeKey
from trajectory.machine import Assignment, Finished, Planning, StepOutcome, begin
from trajectory.wire import episode_to_pb


def line(version: int, **more: float) -> dict[str, float]:
    return {
        "adapter/version": version,
        "episode/count": 4,
        "episode/success_rate": version / 4,
        "episode/length/mean": 5.0,
        "episode/engine_share": 0.5,
        "episode/environment_share": 0.125,
        "episode/rpc_share": 0.375,
        "actor/planner/policy_loss": 0.1,
        "critic/loss": 2.0,
        "timing_s/push": 1.0,
        "timing_s/gather": 8.0,
        "timing_s/update": 6.0,
        "timing_s/values": 1.0,
        "timing_s/advantages": 0.5,
        "timing_s/update_planner": 2.0,
        "timing_s/update_executor": 1.5,
        "timing_s/update_critic": 0.75,
        "timing_s/checkpoint": 0.5,
        **more,
    }


def episode(number: int, won: bool) -> Episode:
    state: Planning | Finished = begin(
        Assignment(EpisodeKey("run-7", "task-a", 5 + number, 0), number, number, "l", "alfworld", "pick", 2),
        "put a <mug> & more",
        "a room",
    )
    for last, plan in ((False, switch("find a <mug>", 1)), (True, keep("find a <mug>", 1))):
        assert isinstance(state, Planning)
        outcome = StepOutcome("seen", 0.0, won and last, last, won and last, float(won), 0.1)
        state = state.planned(plan).acted(act("dance", 2, valid=not last)).stepped(outcome, 1.0)
    assert isinstance(state, Finished)
    return state.episode(3.0)


def configured(folder: str) -> Configuration:
    return Configuration.model_validate({"run": {"dir": folder}})


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """Three updates, three episodes, two evaluations and a file that is none."""
    (tmp_path / "configuration.toml").write_text(to_toml(configured("<here>")))
    lines = [line(1, **{"timing_s/start": 3.0}), line(2), line(3)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    (tmp_path / "ends.jsonl").write_text(
        json.dumps({"adapter/version": 3, "timing_s/push": 2.0, "timing_s/gather": 4.0}) + "\n"
    )
    store = EpisodeStore(tmp_path / "episodes.sqlite", "run-7")
    for number, won in enumerate((True, False, True)):
        store.add(episode_to_pb(episode(number, won)))
    store.set_advantages(0, [TurnAdvantages(0.125, 1.5, 2.5), TurnAdvantages(-0.25, 0.0, -3.5)])
    store.close()
    (tmp_path / "evaluation").mkdir()
    for version in (0, 3):
        whole = {
            "episodes": 6,
            "success": {"rate": 0.5, "low": 0.2, "high": 0.8},
            "score": {"mean": 0.5, "low": 0.375, "high": 0.625},
            "turns": 7.0,
        }
        content = {
            "split": "valid_seen",
            "adapters": {"label": f"v{version}", "version": version},
            "results": {"all": whole},
        }
        (tmp_path / "evaluation" / f"valid_seen-v{version}.json").write_text(json.dumps(content))
    (tmp_path / "evaluation" / "torn.json").write_text('{"split": "val')
    return tmp_path


class Tags(HTMLParser):
    """Checks that what is opened is closed, and keeps names and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_alone_and_is_whole(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report_run([str(run_dir)]) == 0
    assert capsys.readouterr().out == f"report: {run_dir / 'report.html'}\n"
    page = (run_dir / "report.html").read_text()
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert not any(tag in ("link", "img", "iframe") for tag, _ in tags.seen)
    assert [attributes for tag, attributes in tags.seen if tag == "script"] == [{}], "one, inside the page"
    links = [attributes.get(name) for _, attributes in tags.seen for name in ("href", "xlink:href", "src")]
    assert all(link is None or link.startswith("#") for link in links)
    figures = re.findall("<svg.*?</svg>", page, re.DOTALL)
    assert len(figures) == 3
    ids = [set(re.findall(r'<(?:clipPath|path) id="([^"]+)"', figure)) for figure in figures]
    assert all(ElementTree.fromstring(figure) is not None for figure in figures)
    assert not ids[0] & ids[1] and not ids[1] & ids[2]


def test_what_a_person_looks_for_is_there(run_dir: Path) -> None:
    page = run_report.write(run_report.read(run_dir), run_dir).read_text()
    for text in (
        "run-7",
        "valid_seen-v3.json",
        "50.0 % [20.0, 80.0]",
        "0.500 [0.375, 0.625]",
        "RPC and orchestrator",
        "dir = &quot;&lt;here&gt;&quot;",
        "critic/loss",
    ):
        assert text in page, text
    assert "<mug>" not in page


def test_scores_have_a_figure_of_their_own_where_they_say_more_than_success(run_dir: Path) -> None:
    data = run_report.read(run_dir)
    of_success = [{**one, "episode/score/mean": one["episode/success_rate"]} for one in data.lines]
    assert score_figure(of_success, data.evaluations) == "" == score_figure(data.lines, data.evaluations)
    scored = [{**one, "episode/score/mean": 0.5} for one in of_success]
    figure = score_figure(scored, data.evaluations)
    assert "95 % interval (Wilson)" in figure and "evaluation, valid_seen" in figure


def test_the_time_adds_up_to_the_whole_run(run_dir: Path) -> None:
    data = run_report.read(run_dir)
    parts = {part.name: part.seconds for part in time_parts((*data.lines, *data.ends))}
    assert parts == pytest.approx(
        {
            "start": 3.0,
            "generation": 12.0,
            "environment": 3.0,
            "RPC and orchestrator": 9.0,
            "values": 3.0,
            "advantages": 1.5,
            "update: planner": 6.0,
            "update: executor": 4.5,
            "update: critic": 2.25,
            "update: other": 0.75,
            "checkpoint": 1.5,
            "push": 5.0,
            "gathering, not split": 4.0,
        }
    )
    assert sum(parts.values()) == pytest.approx(3.0 + 3 * (1.0 + 8.0 + 6.0 + 0.5) + 6.0)


def test_every_part_has_its_row(run_dir: Path) -> None:
    page = run_report.html(run_report.read(run_dir))
    (rows,) = re.findall(r'<table class="numbers">(.*?)</table>', page)
    shown = re.findall(r"<td>([\d.]+) %</td>", rows)
    assert len(shown) == 13
    assert round(10 * sum(map(float, shown))) == 1000
    assert "<th>100.0 %</th>" in rows


def test_metrics_that_an_older_run_lacks_are_left_out() -> None:
    assert time_parts([{"adapter/version": 1}]) == []
    old = [{"adapter/version": 1, "timing_s/gather": 2.0, "timing_s/update": 3.0}]
    assert time_parts(old) == [Part("gathering, not split", 2.0), Part("update: other", 3.0)]


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=12))
def test_printed_percentages_add_up(seconds: list[float]) -> None:
    shares = percentages([Part("part", each) for each in seconds])
    assert round(10 * sum(shares)) == 1000
    whole = sum(seconds)
    assert all(abs(share - 100 * each / whole) < 0.1001 for share, each in zip(shares, seconds, strict=True))


def test_the_moving_average_counts_episodes() -> None:
    assert moving_average([0, 1, 0.5, 0, 0, 1], [4, 4, 2, 4, 4, 4]) == pytest.approx(
        [0, 4 / 8, 5 / 10, 5 / 14, 5 / 18, 9 / 18]
    )


def test_a_run_that_has_just_begun(tmp_path: Path) -> None:
    (tmp_path / "configuration.toml").write_text(to_toml(configured("run")))
    page = run_report.write(run_report.read(tmp_path), tmp_path).read_text()
    assert "There has been no update yet." in page


def test_lines_of_a_learner_elsewhere(run_dir: Path) -> None:
    (run_dir / "metrics.jsonl").unlink()
    assert len(run_report.read(run_dir, [line(1)]).lines) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "RUN_DIR is missing: .* usage: report_run RUN_DIR"),
        (["--all"], "unknown option --all"),
        (["{run}/logs"], ".*logs is not the folder of a run: it has none of configuration.toml, "),
        (["{run}", "--with", "{run}/logs"], ".*logs is not the folder of a run"),
    ],
)
def test_bad_input(run_dir: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(HiperError, match=message) as refused:
        report_run([argument.format(run=run_dir) for argument in arguments])
    assert of_error(refused.value) == REFUSED


@pytest.mark.parametrize("name", ["configuration.toml", "metrics.jsonl", "episodes.sqlite"])
def test_a_damaged_file_is_named_and_the_rest_is_shown(
    run_dir: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (run_dir / name).write_text("\n")
    assert report_run([str(run_dir)]) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if name in line]
    assert len(told) == 1 and told[0].startswith("note: ")
    page = (run_dir / "report.html").read_text()
    assert escape(told[0].removeprefix("note: ")) in page
    assert "valid_seen-v3.json" in page


def test_a_second_run_is_written_too_and_named_by_its_relative_path(run_dir: Path, tmp_path: Path) -> None:
    other = tmp_path / "the other run"
    other.mkdir()
    (other / "configuration.toml").write_text((run_dir / "configuration.toml").read_text())
    assert report_run([str(run_dir), "--with", str(other)]) == 0
    assert 'data-other="the%20other%20run/report"' in (run_dir / "report.html").read_text()
    assert (other / "report" / "run.js").is_file()
