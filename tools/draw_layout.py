"""`./bazelw run //tools:draw_layout`: draws docs/architecture.svg from the table in tools/layout.bzl."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

PICTURE = "docs/architecture.svg"

_BOXES = {
    "core": (1.0, "errors, seeds, paths, whole files"),
    "hae": (2.0, "advantages: HAE, GAE, GRPO"),
    "configuration": (2.0, "typed settings, command line"),
    "trajectory": (0.0, "episodes, leases, wire format"),
    "environments": (1.0, "ALFWorld, WebShop, yours"),
    "play": (0.0, "plays the leased episodes"),
    "serving": (2.4, "gRPC, engines, adapters, texts"),
    "planner": (1.0, "prompt, parser, service, server"),
    "executor": (2.0, "prompt, parser, service, server"),
    "run_folder": (3.0, "the files of a run"),
    "learner": (1.5, "leases, HAE, PPO, publishing"),
    "orchestrator": (1.5, "commands, evaluation, reports"),
    "studies": (1.5, "experiments with their commands"),
    "benchmarks": (1.5, "speed, as ratios"),
    "deploy": (0.0, "Ray, Kubernetes, Slurm"),
    "commands": (1.5, "hiper: the table of all commands"),
    "tools": (3.0, "the build; no imports of ours"),
}
"""Column of a folder's box, and what the folder holds."""

_WIDTH, _HEIGHT = 204, 44
_COLUMN, _ROW, _MARGIN = 228, 92, 16
_LEGEND = (
    "An arrow points to what a folder may import; where it is dashed, only the subfolder beside it may.",
    "An arrow is left out if other arrows lead to the same folder.",
)


@dataclass(frozen=True)
class Layout:
    """The literals of tools/layout.bzl."""

    may_import: dict[str, list[str]]
    """Folders that each folder may import, lower folders first."""
    only_from: dict[tuple[str, str], list[str]]
    """Parts of the importing folder that alone may import the other one, by importing and imported folder."""


def read_layout(text: str) -> Layout:
    """Reads the text of tools/layout.bzl, whose literals are Python's too."""
    found: dict[str, Any] = {}
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            found[statement.targets[0].id] = ast.literal_eval(statement.value)
    return Layout(found["MAY_IMPORT"], found["ONLY_FROM"])


def arrows(layout: Layout) -> Iterator[tuple[str, str]]:
    """The arrows to draw, without those that a path of others, starting undashed, makes redundant."""
    for above, below in layout.may_import.items():
        through = [folder for folder in below if (above, folder) not in layout.only_from]
        for folder in below:
            if not any(folder in layout.may_import[between] for between in through):
                yield above, folder


def levels(layout: Layout) -> dict[str, int]:
    """The row of each folder, from 0 at the bottom, which is one above the highest folder that it imports."""
    found: dict[str, int] = {}
    for folder, below in layout.may_import.items():
        found[folder] = 1 + max((found[name] for name in below), default=-1)
    return found


def draw(layout: Layout) -> str:
    """The picture as SVG."""
    rows = levels(layout)
    top = max(rows.values())
    place = {
        folder: (
            _MARGIN + _COLUMN * _BOXES[folder][0] + _WIDTH / 2,
            _MARGIN + _ROW * (top - row) + _HEIGHT / 2,
        )
        for folder, row in rows.items()
    }
    width = max(x for x, _ in place.values()) + _WIDTH / 2 + _MARGIN
    height = _MARGIN + _ROW * top + _HEIGHT + 26 + 18 * len(_LEGEND)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" font-family="Helvetica, Arial, sans-serif">',
        "<title>Which folder may import which</title>",
        '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" '
        'orient="auto"><path d="M0 0 L10 5 L0 10 z" fill="#556"/></marker></defs>',
        f'<rect width="{width:g}" height="{height:g}" fill="white"/>',
    ]
    for above, below in arrows(layout):
        lines.append(_arrow(place[above], place[below], layout.only_from.get((above, below))))
    lines += [_box(folder, *place[folder]) for folder in layout.may_import]
    for number, text in enumerate(reversed(_LEGEND)):
        y = height - _MARGIN + 4 - 18 * number
        lines.append(f'<text x="{_MARGIN}" y="{y:g}" font-size="12" fill="#333">{escape(text)}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def _box(folder: str, x: float, y: float) -> str:
    left, upper = x - _WIDTH / 2, y - _HEIGHT / 2
    return (
        f'<rect x="{left:g}" y="{upper:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="5" fill="#eef3fa" '
        f'stroke="#456"/>\n'
        f'<text x="{x:g}" y="{y - 3:g}" font-size="14" font-weight="bold" text-anchor="middle">'
        f"{folder}/</text>\n"
        f'<text x="{x:g}" y="{y + 14:g}" font-size="11.5" text-anchor="middle" fill="#333">'
        f"{escape(_BOXES[folder][1])}</text>"
    )


def _arrow(above: tuple[float, float], below: tuple[float, float], parts: list[str] | None) -> str:
    (x1, y1), (x2, y2) = above, below
    # Arrows leave and reach a box at different points, depending on where they lead.
    shift = max(-0.38 * _WIDTH, min(0.38 * _WIDTH, 0.2 * (x2 - x1)))
    begin, end = (x1 + shift, y1 + _HEIGHT / 2), (x2 - shift, y2 - _HEIGHT / 2)
    dashes = ' stroke-dasharray="5 4"' if parts else ""
    line = (
        f'<line x1="{begin[0]:g}" y1="{begin[1]:g}" x2="{end[0]:g}" y2="{end[1]:g}" stroke="#556" '
        f'stroke-width="1.3"{dashes} marker-end="url(#head)"/>'
    )
    if not parts:
        return line
    x, y = (begin[0] + end[0]) / 2, (begin[1] + end[1]) / 2 + 4
    anchor, x = ("end", x - 12) if x2 < x1 else ("start", x + 12)
    label = ", ".join(part.rpartition("/")[2] + "/" for part in parts)
    return (
        f'{line}\n<text x="{x:g}" y="{y:g}" font-size="11" text-anchor="{anchor}" fill="#333">{label}</text>'
    )


def main() -> None:
    root = Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY") or Path.cwd())
    layout = read_layout((root / "tools/layout.bzl").read_text(encoding="utf-8"))
    (root / PICTURE).write_text(draw(layout), encoding="utf-8")


if __name__ == "__main__":
    main()
