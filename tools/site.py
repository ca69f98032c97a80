"""`HIPER_EXTRAS=site ./bazelw run //docs:site -- --out DIR`: builds the documentation as a site, offline.

The links of the pages are those of the checkout, so that they also work in an editor and on a code host. All
pages are copied with their paths, and so are the files that they link to. MkDocs builds from the copy, in
strict mode: a broken link ends it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

NAV: dict[str, tuple[str, ...]] = {
    "Start": ("README.md", "docs/tutorial.md", "docs/commands.md", "docs/pip.md", "docs/compare.md"),
    "Play": ("docs/environments.md", "docs/adding_an_environment.md", "docs/webshop.md"),
    "Train": (
        "docs/training.md",
        "docs/presets.md",
        "docs/gpu.md",
        "docs/nano.md",
        "learner/warm_start/README.md",
    ),
    "Look at a run": (
        "docs/runs.md",
        "docs/replay_and_export.md",
        "docs/evaluation.md",
        "docs/exit_codes.md",
    ),
    "Deploy": ("docs/serving.md", "docs/endpoint.md", "docs/deploy.md", "docs/reliability.md"),
    "Understand": ("docs/hae.md", "hae/README.md", "docs/architecture.md"),
    "Results": (
        "docs/results/nano_hae.md",
        "docs/results/h100.md",
        "docs/results/smollm2_alfworld.md",
        "docs/results/smollm2_alfworld_six.md",
        "docs/results/smollm2_warm_start.md",
        "docs/results/smollm2_webshop.md",
        "docs/results/nano_credit.md",
        "docs/results/nano.md",
        "docs/results/nano_short.md",
        "docs/results/theory.md",
        "docs/results/teachers.md",
        "docs/results/speed.md",
        "docs/results/pools.md",
        "docs/results/drills.md",
    ),
    "Contribute": ("CONTRIBUTING.md", "docs/build.md"),
}
"""All pages in reading order, by section; paths from the root of the checkout."""

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_NO_MKDOCS = "mkdocs-material is not installed: HIPER_EXTRAS=site before the command installs it"


@dataclass(frozen=True)
class Link:
    """A link of a page to a file of the checkout."""

    page: str
    target: str
    """Path from the root of the checkout, without the part behind `#`."""


def pages(root: Path) -> set[str]:
    """All pages of the checkout that belong into the site."""
    found = {path.relative_to(root).as_posix() for path in (root / "docs").rglob("*.md")}
    return found | {"README.md", "CONTRIBUTING.md", "hae/README.md", "learner/warm_start/README.md"}


def listed() -> list[str]:
    """The pages of `NAV`, in reading order."""
    return [page for section in NAV.values() for page in section]


def links(root: Path, page: str) -> Iterator[Link]:
    """The links of a page that stay in the checkout; those inside blocks of code do not count."""
    text = (root / page).read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    for target in _LINK.findall(re.sub(r"`[^`\n]*`", "", prose)):
        path = target.partition("#")[0]
        if path and "://" not in target and not target.startswith("mailto:"):
            yield Link(page, os.path.normpath(Path(page).parent / path))


def copy(root: Path, target: Path) -> None:
    """Copies all pages, and the files that they link to, with their paths."""
    files = set(listed())
    files |= {link.target for page in listed() for link in links(root, page)}
    for file in files:
        if (root / file).is_file():
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / file, target / file)


def settings(pages_folder: Path, out: Path) -> dict[str, Any]:
    """The configuration of MkDocs."""
    return {
        "site_name": "HiPER",
        "docs_dir": str(pages_folder),
        "site_dir": str(out),
        # Pages open from the disk, without a server and without the internet.
        "use_directory_urls": False,
        "plugins": ["search", "material/offline"],
        "theme": {
            "name": "material",
            "font": False,
            "features": ["navigation.sections", "navigation.footer"],
        },
        "markdown_extensions": ["admonition", "attr_list", "tables", "toc", "pymdownx.superfences"],
        "nav": [{section: list(those)} for section, those in NAV.items()],
        "validation": {
            "omitted_files": "warn",
            "absolute_links": "warn",
            "unrecognized_links": "warn",
            "anchors": "warn",
        },
    }


def build(root: Path, out: Path) -> int:
    """Builds the site; returns the exit code of MkDocs, which is 0 only without a warning."""
    with tempfile.TemporaryDirectory() as scratch:
        copied, configuration = Path(scratch, "pages"), Path(scratch, "mkdocs.yml")
        copy(root, copied)
        # JSON is YAML.
        configuration.write_text(json.dumps(settings(copied, out), indent=1), encoding="utf-8")
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--clean", "-f", str(configuration)]
        # mkdocs-material asks its users on the terminal to move to another tool.
        return subprocess.run(command, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, check=False).returncode


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="site", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the site; what is in it is replaced"
    )
    options = parser.parse_args(arguments)
    if find_spec("material") is None:
        print(f"error: {_NO_MKDOCS}", file=sys.stderr)
        return 2
    root = Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY") or Path(__file__).resolve().parents[1])
    typed_in = Path(os.environ.get("BUILD_WORKING_DIRECTORY") or Path.cwd())
    return build(root, (typed_in / options.out).resolve())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
