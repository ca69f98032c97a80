"""`./bazelw run //tools:build_files`: writes the BUILD files from the imports of the Python files.

Each file gets a target: a py_test for `*_test.py`, a py_binary for a file with a main, else a py_library.
Sources and dependencies are computed. Other attributes, other rules, and dependencies with the comment
`# keep` are left as they are. So is a py_test of several files: they run in one process, which imports
what takes seconds, such as PyTorch, only once.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import packages_distributions
from pathlib import Path

_RULES = ("py_library", "py_binary", "py_test")
_GENERATED = {"hiper": "//proto:hiper_v1"}
_LOADED = {"//tools:layout.bzl", "//tools:py.bzl"}
"""Files whose loads are computed."""
_SUPPLIED = {"pytest"}
"""Packages that the macro py_test adds to each test."""
_HAND_WRITTEN = {"tools"}
"""Folders whose BUILD files are written by hand, because their targets run before there is an environment."""
_NOT_OURS = "docs/"
"""Where Python files are examples for users to copy, without targets."""


@dataclass(frozen=True)
class Rule:
    """The parts of a BUILD rule that are not computed."""

    kind: str
    comment: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Attributes by name, as Starlark text."""
    kept: tuple[str, ...] = ()
    """Dependencies marked `# keep`, which do not appear as imports."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """Comments above attributes, by name of the attribute."""
    together: tuple[str, ...] = ()
    """Names of the files of a py_test that has several."""


@dataclass(frozen=True)
class Package:
    """The parts of a BUILD file that are kept."""

    head: str = ""
    """Call of `package`."""
    rules: Mapping[str, Rule] = field(default_factory=dict)
    """Our rules by name."""
    others: tuple[str, ...] = ()
    """Texts of all other rules."""
    loads: tuple[str, ...] = ()
    """Texts of the loads that other rules need."""


class Sources:
    """The Python files of a checkout, with their targets and dependencies."""

    def __init__(self, root: Path, files: list[str]) -> None:
        self._root = root
        self._files = {file for file in files if file.endswith(".py") and not file.startswith(_NOT_OURS)}
        self._installed = packages_distributions()
        self._locked = set(
            re.findall(r"^([a-z0-9._-]+)==", (root / "requirements/cpu.lock").read_text(), re.M)
        )

    def folders(self) -> list[str]:
        found = {file.rpartition("/")[0] for file in self._files}
        return sorted(found - _HAND_WRITTEN - {""})

    def of(self, folder: str) -> list[str]:
        """The files of a folder that have a target: an `__init__.py` only if it imports our own modules."""
        found = [f for f in self._files if f.rpartition("/")[0] == folder]
        return sorted(f for f in found if not f.endswith("/__init__.py") or self._imports_ours(f))

    def kind(self, file: str) -> str:
        if file.endswith("_test.py"):
            return "py_test"
        return "py_binary" if '\nif __name__ == "__main__":' in self._text(file) else "py_library"

    def name(self, file: str) -> str:
        folder, _, name = file.rpartition("/")
        return Path(folder).name if name == "__init__.py" else name.removesuffix(".py")

    def sources(self, file: str) -> list[str]:
        folder, _, name = file.rpartition("/")
        init = f"{folder}/__init__.py"
        beside = init in self._files and init != file and not self._imports_ours(init)
        return ["__init__.py", name] if beside and self.kind(file) == "py_library" else [name]

    def dependencies(self, files: Sequence[str]) -> set[str]:
        """The dependencies of the target of these files, as Starlark text."""
        return set().union(*map(self._dependencies, files))

    def _dependencies(self, file: str) -> set[str]:
        folder = file.rpartition("/")[0]
        labels = set()
        for module in self._modules(file):
            if target := self._file_of(module):
                if target != file and (not target.endswith("__init__.py") or self._imports_ours(target)):
                    labels.add(self._label(target, folder))
            elif requirement := self._requirement(module.partition(".")[0]):
                labels.add(requirement)
        if self.kind(file) == "py_test":
            labels -= {f'requirement("{name}")' for name in _SUPPLIED}
        return labels

    def _label(self, file: str, folder: str) -> str:
        own, name = file.rpartition("/")[0], self.name(file)
        if own == folder:
            return f'":{name}"'
        return f'"//{own}"' if Path(own).name == name else f'"//{own}:{name}"'

    def _file_of(self, module: str) -> str | None:
        path = module.replace(".", "/")
        return next((f for f in (f"{path}.py", f"{path}/__init__.py") if f in self._files), None)

    def _requirement(self, top: str) -> str | None:
        if top in _GENERATED:
            return f'"{_GENERATED[top]}"'
        names = {name.lower().replace("_", "-") for name in self._installed.get(top, ())} & self._locked
        return f'requirement("{min(names)}")' if names else None

    def _modules(self, file: str) -> Iterator[str]:
        for node in ast.walk(ast.parse(self._text(file))):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    yield inner if self._file_of(inner) else node.module

    def _imports_ours(self, file: str) -> bool:
        return any(self._file_of(module) for module in self._modules(file))

    def _text(self, file: str) -> str:
        return (self._root / file).read_text(encoding="utf-8")


def read_package(text: str) -> Package:
    """Reads the parts of a BUILD file that are kept.

    Starlark is close enough to Python for Python's parser.
    """
    head, rules, others, loads = "", {}, [], []
    lines = text.splitlines()
    for statement in ast.parse(text).body:
        source = ast.get_source_segment(text, statement) or ""
        call = statement.value if isinstance(statement, ast.Expr) else None
        kind = call.func.id if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) else ""
        if isinstance(call, ast.Call) and kind == "load":
            loads += [source] if ast.literal_eval(call.args[0]) not in _LOADED else []
        elif kind == "package":
            head = source
        elif isinstance(call, ast.Call) and kind in _RULES:
            name, rule = _read_rule(text, call, kind)
            rules[name] = rule
        elif not isinstance(statement, ast.Expr) or not isinstance(call, ast.Constant):
            others.append(_comment(lines, statement.lineno) + source)
    return Package(head, rules, tuple(others), tuple(loads))


def _read_rule(text: str, call: ast.Call, kind: str) -> tuple[str, Rule]:
    lines = text.splitlines()
    values = {word.arg or "": word.value for word in call.keywords}
    comments = {word.arg or "": _comment(lines, word.lineno) for word in call.keywords}
    name = str(ast.literal_eval(values.pop("name")))
    files = tuple(ast.literal_eval(values.pop("srcs"))) if kind == "py_test" and "srcs" in values else ()
    values.pop("srcs", None)
    deps = ast.get_source_segment(text, values.pop("deps")) if "deps" in values else ""
    kept = re.findall(r'^\s*((?:requirement\()?"[^"]+"\)?),\s*# keep', deps or "", re.M)
    attributes = {key: ast.get_source_segment(text, value) or "" for key, value in values.items()}
    notes = {key: comments[key] for key in attributes if comments[key]}
    together = files if len(files) > 1 else ()
    return name, Rule(kind, _comment(lines, call.lineno), attributes, tuple(kept), notes, together)


def _comment(lines: list[str], number: int) -> str:
    """The lines of the comment above a line, without indentation."""
    first = number - 1
    while first > 0 and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return "".join(line.strip() + "\n" for line in lines[first : number - 1])


def write_package(sources: Sources, folder: str, package: Package) -> str:
    """The BUILD file of a folder."""
    top = folder.partition("/")[0]
    targets = [
        _target(sources, name, files, package.rules)
        for name, files in _files_of_targets(sources, folder, package.rules).items()
    ]
    head = package.head or f'package(default_visibility = importers("{top}"))'
    body = "\n\n".join([head, *package.others, *targets])
    loads = []
    if "importers(" in head:
        loads.append('load("//tools:layout.bzl", "importers")')
    names = [name for name in ("py_binary", "py_library", "py_test") if f"{name}(" in body]
    names += ["requirement"] if "requirement(" in body else []
    loads.append(f'load("//tools:py.bzl", {", ".join(chr(34) + name + chr(34) for name in names)})')
    return "\n".join([*loads, *package.loads]) + "\n\n" + body + "\n"


def _files_of_targets(sources: Sources, folder: str, rules: Mapping[str, Rule]) -> dict[str, list[str]]:
    """The files of each target by its name, in the order of the first file."""
    targets: dict[str, list[str]] = {}
    names = {f"{folder}/{file}": name for name, rule in rules.items() for file in rule.together}
    for file in sources.of(folder):
        targets.setdefault(names.get(file, sources.name(file)), []).append(file)
    return targets


def _target(sources: Sources, name: str, files: Sequence[str], rules: Mapping[str, Rule]) -> str:
    kind = sources.kind(files[0])
    rule = rules.get(name, Rule(kind))
    lines = [f'name = "{name}"']

    def written(key: str) -> str:
        return rule.notes.get(key, "") + f"{key} = {rule.attributes[key]}"

    first = [key for key in ("size", "testonly") if key in rule.attributes]
    lines += map(written, first)
    names = [f'"{source}"' for file in files for source in sources.sources(file)]
    lines.append(f"srcs = {_listed(names)}")
    lines += map(written, sorted(rule.attributes.keys() - first))
    deps = sorted(sources.dependencies(files) | set(rule.kept), key=_order)
    if deps:
        lines.append(f"deps = {_listed(deps, rule.kept)}")
    return rule.comment + f"{kind}(\n" + "".join(f"    {_indented(line)},\n" for line in lines) + ")"


def _indented(attribute: str) -> str:
    """An attribute whose comment, if there is one, is indented like it."""
    return re.sub(r"(?m)^(#.*\n)", r"\1    ", attribute)


def _order(label: str) -> tuple[int, str]:
    rank = 0 if label.startswith('":') else 1 if label.startswith('"//') else 2
    return rank, label.replace(":", "!").replace('"', " ")


def _listed(items: list[str], kept: tuple[str, ...] = ()) -> str:
    if len(items) == 1 and not kept:
        return f"[{items[0]}]"
    lines = (f"        {item},{'  # keep' if item in kept else ''}\n" for item in items)
    return "[\n" + "".join(lines) + "    ]"


def build_files(root: Path) -> dict[str, str]:
    """The text of each BUILD file, by path from the root."""
    run = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    )
    sources = Sources(root, [file for file in run.stdout.splitlines() if (root / file).is_file()])
    found = {}
    for folder in sources.folders():
        path = root / folder / "BUILD"
        package = read_package(path.read_text(encoding="utf-8")) if path.exists() else Package()
        found[f"{folder}/BUILD"] = write_package(sources, folder, package)
    return found


def main() -> None:
    root = Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY") or Path.cwd())
    for path, text in build_files(root).items():
        old = (root / path).read_text(encoding="utf-8") if (root / path).exists() else ""
        if old != text:
            (root / path).write_text(text, encoding="utf-8")
            print(f"wrote {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
