"""The report over HTTP: what is served, to whom, and that it follows the run."""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import AddressInUseError, ConfigurationError, HiperError, NotFoundError
from orchestrator.report.live import OTHER, LiveReport
from orchestrator.report.writing import RunReport
from orchestrator.watch import update, watch
from run_folder.metrics import MetricsFile
from run_folder.store import EpisodeStore
from tests.browser import browser
from tests.orchestrator.report.recorded import add_episodes, write_run

NAMES = frozenset({"localhost", "127.0.0.1"})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", 30)


@pytest.fixture
def report(root: Path) -> Iterator[RunReport]:
    with contextlib.closing(RunReport(root)) as report:
        report.update()
        yield report


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveReport]:
    """Two runs, and in the first one's folder a file that is not of the report."""
    folder = tmp_path_factory.mktemp("served")
    first, second = write_run(folder / "first", 30), write_run(folder / "second", 3)
    for run in (first, second):
        with contextlib.closing(RunReport(run)) as report:
            report.update()
    (first / "report" / "secret.js").write_text("secret")
    with contextlib.closing(LiveReport(first, second, "127.0.0.1", 0, NAMES)) as live:
        yield live


def get(
    live: LiveReport, target: str, method: str = "GET", **headers: str
) -> tuple[int, str, dict[str, str]]:
    """Status, content and headers of an answer; the target is sent as it is."""
    port = int(live.url.rstrip("/").rpartition(":")[2])
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.putrequest(method, target, skip_host=True)
        for name, value in {"Host": f"localhost:{port}", **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), dict(answer.getheaders())


def test_the_page_and_its_data_are_served(live: LiveReport) -> None:
    status, page, headers = get(live, "/")
    assert status == 200 and page.startswith("<!doctype html>")
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert get(live, "/report.html")[1] == page
    status, data, headers = get(live, "/report/episodes-1.js?stamp")
    assert status == 200 and data.startswith("hiperReport(")
    assert headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert '"episodes":3' in get(live, f"/{OTHER}/run.js")[1]
    assert get(live, "/", method="HEAD")[:2] == (200, "")


@pytest.mark.parametrize(
    "target",
    [
        "/configuration.toml",
        "/episodes.sqlite",
        "/report/secret.js",
        "/report/lock",
        "/report/../episodes.sqlite",
        "/report/..%2fepisodes.sqlite",
        "/report/%2e%2e/configuration.toml",
        "/report/episodes-1.js/../../metrics.jsonl",
        "/report/episodes-%D9%A1.js",
        "/report/run.js%00",
        "/etc/passwd",
        "//etc/passwd",
        "http://localhost/report/secret.js",
        "/report/episodes-999.js",
        "/nowhere/run.js",
    ],
)
def test_nothing_else_is_served(live: LiveReport, target: str) -> None:
    status, content, _ = get(live, target)
    assert (status, content) == (404, "not found\n")


def test_a_malformed_target_is_refused(live: LiveReport) -> None:
    assert get(live, "http://[x/report/run.js")[0] == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_refused(live: LiveReport, method: str) -> None:
    assert get(live, "/", method=method)[0] == 501


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost"}, 200),
        ({"Host": "127.0.0.1:1234"}, 200),
        ({"Host": "rebound.example"}, 403),
        ({"Host": "localhost.rebound.example:80"}, 403),
        ({"Host": ""}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_only_pages_of_this_machine_may_ask(live: LiveReport, headers: dict[str, str], status: int) -> None:
    assert get(live, "/report/run.js", **headers)[0] == status


def test_a_port_in_use_is_named(root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressInUseError, match=str(port)):
            LiveReport(root, None, "127.0.0.1", port, NAMES)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ([], ConfigurationError, "RUN_DIR is missing"),
        (["{run}", "--listen", "0.0.0.0:0"], ConfigurationError, "could read the run.*--insecure"),
        (["{run}", "--listen", "[::]:0"], ConfigurationError, "--insecure"),
        (["{run}", "--listen", "8010"], ConfigurationError, "host:port is needed"),
        (["{run}", "--listen", "127.0.0.1:99999"], ConfigurationError, "host:port is needed"),
        (["{run}", "--seconds", "0"], ConfigurationError, "seconds"),
        (["{run}/report"], NotFoundError, "is not the folder of a run"),
    ],
)
def test_bad_input(root: Path, arguments: list[str], error: type[HiperError], message: str) -> None:
    with pytest.raises(error, match=message):
        watch([argument.format(run=root) for argument in arguments])


def test_an_update_writes_nothing_if_nothing_changed(root: Path, report: RunReport) -> None:
    inodes = [path.stat().st_ino for path in sorted(root.glob("report*/*.js"))]
    page = (root / "report.html").stat().st_ino
    report.update()
    assert [path.stat().st_ino for path in sorted(root.glob("report*/*.js"))] == inodes
    with contextlib.closing(EpisodeStore(root / "episodes.sqlite")) as store:
        add_episodes(store, range(30, 31))
    report.update()
    assert [path.stat().st_ino for path in sorted(root.glob("report*/*.js"))] != inodes
    assert (root / "report.html").stat().st_ino == page, "its figures have not changed"


def test_looking_takes_at_most_a_tenth_of_the_time(report: RunReport, root: Path) -> None:
    assert update([report], 2.0) == 2.0
    (root / "report.html").unlink()
    MetricsFile(root / "metrics.jsonl").append({"adapter/version": 1.0, "episode/success_rate": 0.5})
    assert update([report], 1e-9) > 0.1, "drawing the figures took longer than a hundredth of a second"


def test_the_page_follows_the_run(root: Path, report: RunReport, tmp_path: Path) -> None:
    with (
        browser(tmp_path / "profile") as page,
        contextlib.closing(LiveReport(root, None, "127.0.0.1", 0, NAMES)) as live,
    ):
        page.open(live.url + "#episodes")
        page.wait("document.querySelector('aside p').textContent.startsWith('30 episodes')")
        assert "There has been no update yet" in page.run("document.getElementById('overview').textContent")
        with contextlib.closing(EpisodeStore(root / "episodes.sqlite")) as store:
            add_episodes(store, range(30, 45))
        MetricsFile(root / "metrics.jsonl").append({"adapter/version": 1.0, "episode/success_rate": 0.5})
        report.update()
        page.wait("document.querySelector('aside p').textContent.startsWith('45 episodes')")
        page.wait("document.querySelectorAll('#overview svg').length > 0")
        assert page.complaints == []
