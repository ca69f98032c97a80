"""The documentation as a site: every page once in the navigation, no broken link, and no warning."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.extras import need
from tools import site
from tools.site import Link

CHECKOUT = Path("pyproject.toml").resolve().parent


def test_every_page_is_in_the_navigation_once() -> None:
    listed = site.listed()
    assert len(listed) == len(set(listed))
    assert set(listed) == site.pages(CHECKOUT), "NAV in tools/site.py is the list of all pages"


@pytest.mark.parametrize("page", site.listed())
def test_links_lead_to_files(page: str) -> None:
    for link in site.links(CHECKOUT, page):
        assert (CHECKOUT / link.target).is_file(), f"{page} links to {link.target}"


def test_links_in_code_and_to_other_sites_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    prose = "[a](../b.md#c) `[no](no.md)` [far](https://x.org/y.md) [here](#d) ![p](p.svg)"
    text = f"{prose}\n```\n[no](no.md)\n```\n"
    (tmp_path / "docs/a.md").write_text(text)
    found = list(site.links(tmp_path, "docs/a.md"))
    assert found == [Link("docs/a.md", "b.md"), Link("docs/a.md", "docs/p.svg")]


def test_the_site_is_built_without_a_warning(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    need("material", "site")
    assert site.build(CHECKOUT, tmp_path / "site") == 0, capfd.readouterr().err
    for page in site.listed():
        html = re.sub(r"README\.md$", "index.md", page).replace(".md", ".html")
        assert (tmp_path / "site" / html).is_file()
    start = (tmp_path / "site/index.html").read_text(encoding="utf-8")
    assert 'href="docs/tutorial.html"' in start
    assert "fonts.googleapis.com" not in start


def test_a_broken_link_ends_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    need("material", "site")
    monkeypatch.setattr(site, "NAV", {"Start": ("README.md",)})
    (tmp_path / "README.md").write_text("# Start\n\n[gone](gone.md)\n")
    assert site.build(tmp_path, tmp_path / "site") != 0
    assert "gone.md" in capfd.readouterr().err
