"""The page in a real browser: no complaint, search and filters, 2,000 episodes that scroll, hostile texts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.report.data import read
from orchestrator.report.writing import write
from tests.browser import Page, browser
from tests.orchestrator.report.recorded import HOSTILE, recorded, write_run

COUNT = 2000
SHOWN = "document.querySelectorAll('.row').length"
NUMBERS = "[...document.querySelectorAll('.row b')].map((one) => Number(one.textContent))"
COUNTED = "document.querySelector('aside p').textContent"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("runs")
    first, second = write_run(folder / "first", COUNT), write_run(folder / "second", 60)
    write(read(second), second)
    write(read(first), first)
    return first, second


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(tab: Page, runs: tuple[Path, Path]) -> Iterator[Page]:
    """The first run's page, from file://; whatever a test does, the page must not complain."""
    tab.call("Page.navigate", url="about:blank")
    tab.complaints.clear()
    tab.open((runs[0] / "report.html").as_uri())
    tab.run("location.hash = 'episodes'")
    tab.wait(f"{SHOWN} > 0")
    yield tab
    assert tab.complaints == []


def choose(page: Page, label: str, value: str) -> None:
    """Types into the search, or chooses from a list, as its events tell the page."""
    field = f"document.querySelector({json.dumps(f'[aria-label={json.dumps(label)}]')})"
    page.run(f"{field}.value = {json.dumps(value)}")
    page.run(f"{field}.dispatchEvent(new Event({field}.tagName === 'INPUT' ? 'input' : 'change'))")


def test_two_thousand_episodes_scroll_with_few_elements(page: Page) -> None:
    assert page.run(COUNTED).startswith("2,000 episodes of 2,000, 33.4 % won")
    assert page.run(NUMBERS)[0] == 1999
    seen = set()
    for row in range(0, 200, 10):
        page.run(f"document.querySelector('.list').scrollTop = {row} * ROW_HEIGHT")
        page.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        seen.update(page.run(NUMBERS))
        assert page.run(SHOWN) < 60
    assert set(range(1800, 2000)) <= seen
    page.run("document.querySelector('.list').scrollTop = 1e9")
    page.wait(f"{NUMBERS}.includes(0)")


def test_the_page_opens_within_two_seconds(page: Page) -> None:
    # By its own clock, from the navigation to the last row of the index; on an idle machine 0.2 s.
    assert page.run("performance.getEntriesByName('ready')[0].startTime") < 2000


@pytest.mark.parametrize("words", ["goal 1234", "#17", "GOAL 17 mug", "<i>end</i>  look", "no such words"])
def test_search(page: Page, words: str) -> None:
    def fits(number: int) -> bool:
        one = recorded(number)
        text = f"{number} {one.key.task_id} {one.task_type} {one.goal} find a mug".lower()
        return all(f"#{number}" == word or word in text for word in words.lower().split())

    expected = [number for number in reversed(range(COUNT)) if fits(number)]
    choose(page, "search", words)
    found = page.run(NUMBERS)
    assert found == expected[: len(found)] and len(found) >= min(len(expected), 10)
    episodes = "episode" if len(expected) == 1 else "episodes"
    assert page.run(COUNTED).startswith(f"{len(expected):,} {episodes} of 2,000")


def test_filters_and_order(page: Page) -> None:
    choose(page, "task type", "look")
    choose(page, "outcome", "won")
    choose(page, "use", "trained on")
    choose(page, "order", "oldest")
    assert page.run(NUMBERS)[:4] == [3, 12, 21, 30]
    assert page.run(COUNTED).startswith("111 episodes of 2,000, 100.0 % won")
    assert "<b>heat</b> (666)" in page.run("document.querySelector('[aria-label=\"task type\"]').textContent")


def test_an_episode_is_shown_turn_by_turn_and_its_texts_are_only_texts(page: Page) -> None:
    page.run("location.hash = 'episodes/a3'")
    page.wait("document.querySelectorAll('.turn').length === 3")
    last = "document.querySelectorAll('.turn')[2]"
    assert page.run(f"{last}.querySelector('.observation').lastChild.textContent") == HOSTILE
    assert (
        page.run("document.querySelectorAll('article img, article script, article i:not(.legend i)').length")
        == 0
    )
    assert page.run("document.title") == "run first"
    assert page.run("document.querySelectorAll('.strip button').length") == 3
    assert page.run("document.querySelectorAll('.charts circle').length") == 9 + 7
    credit = [
        text.split()
        for text in page.run("[...document.querySelectorAll('.credit')].map(one => one.textContent)")
    ]
    assert credit[0] == ["V", "2.00", "A", "\u22120.500"]
    assert credit[1:3] == [["V", "3.00", "A", "+0.125"], ["V", "1.00", "A", "+0.000"]]


def test_log_probabilities_are_shown_on_hover(page: Page) -> None:
    page.run("location.hash = 'episodes/a3'")
    page.wait("document.querySelectorAll('.turn').length === 3")
    page.run(
        "document.querySelector('.tokens span')"
        ".dispatchEvent(new PointerEvent('pointerover', {bubbles: true}))"
    )
    assert "log p" in page.run("document.getElementById('tip').textContent")
    assert not page.run("document.getElementById('tip').hidden")


def test_the_arrow_keys_go_to_the_next_episode(page: Page) -> None:
    page.run("location.hash = 'episodes/a1990'")
    page.wait("document.querySelector('.row.chosen b')?.textContent === '1990'")
    page.run(
        "document.querySelector('.list').dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowDown'}))"
    )
    page.wait("location.hash === '#episodes/a1989'")
    page.wait("document.querySelector('article h2')?.textContent.startsWith('1989')")


def test_two_runs_are_compared(tab: Page, runs: tuple[Path, Path]) -> None:
    first, second = runs
    write(read(second), second, other=first)
    tab.open((second / "report.html").as_uri())
    tab.run("location.hash = 'types'")
    tab.wait("document.querySelectorAll('.types tr').length === 6")
    header = tab.run("document.querySelector('.types tr').textContent")
    assert header == "A: secondB: first"
    whole = tab.run("[...document.querySelectorAll('.types .all td')].map((one) => one.textContent)")
    assert whole[0] == "60" and whole[5] == "2,000"
    assert whole[1] == "33.3 % [22.7, 45.9]", "as core.intervals.wilson"
    assert whole[-1] == "+0.0"
    tab.run("location.hash = 'episodes/a3/b53'")
    tab.wait("document.querySelectorAll('.turn').length === 6")
    same = tab.run(
        "[...document.querySelectorAll('article:first-of-type .same button')].map((one) => one.textContent)"
    )
    assert same[-1] == "1953 (won)", "an episode of the other run with the same task"
    assert tab.complaints == []


def test_a_second_run_is_chosen_in_the_page(page: Page, runs: tuple[Path, Path]) -> None:
    page.choose_files("nav input", [runs[1] / "report"])
    page.wait("document.querySelector('.types tr')?.textContent === 'A: firstB: second'")
    page.run("location.hash = 'episodes/b7'")
    page.wait("document.querySelectorAll('article:nth-of-type(2) .turn').length === 3")
    assert page.run(COUNTED).startswith("2,060 episodes")


def test_the_list_stays_where_it_is_when_episodes_arrive(page: Page) -> None:
    page.run("document.querySelector('.list').scrollTop = 100 * ROW_HEIGHT + 7")
    page.wait(f"{NUMBERS}.includes(1899)")
    first = page.run(
        "{ const list = new EpisodeList(() => {}); document.querySelector('aside').replaceWith(list.element);"
        " const run = {letter: 'a', episodes: []}; const add = (count) => { for (let n = 0; n < count; n++)"
        " run.episodes.push({run, key: `a${run.episodes.length}`, number: run.episodes.length, type: 'x',"
        " ending: 'won', use: 'x', turns: 1, subgoals: [], text: '', goal: ''}); list.show([run]); };"
        " add(500); list.list.element.scrollTop = 100 * ROW_HEIGHT + 7; add(40);"
        " [list.list.element.scrollTop, list.list.items[140].number] }"
    )
    assert first == [140 * 52 + 7, 399]


def test_a_page_without_its_data_says_so(tab: Page, runs: tuple[Path, Path], tmp_path: Path) -> None:
    alone = tmp_path / "report.html"
    alone.write_text((runs[0] / "report.html").read_text())
    tab.open(alone.as_uri())
    notes = tab.run("document.querySelector('#viewer .notes').textContent")
    assert notes == "The episodes of run A are missing: report/run.js is missing."
    assert all("ERR_FILE_NOT_FOUND" in each for each in tab.complaints)
    tab.complaints.clear()


def test_a_torn_part_is_named_and_the_rest_shown(tab: Page, runs: tuple[Path, Path]) -> None:
    part = runs[0] / "report" / "index-0.js"
    whole = part.read_text()
    part.write_text(whole[: len(whole) // 2])
    try:
        tab.open((runs[0] / "report.html").as_uri() + "?torn")
        notes = tab.run("document.querySelector('#viewer .notes').textContent")
        assert "Some episodes are not shown: report/index-0.js is damaged." in notes
        assert tab.run(COUNTED).startswith("1,000 episodes")
        assert all("SyntaxError" in each for each in tab.complaints)
    finally:
        part.write_text(whole)
        tab.complaints.clear()
