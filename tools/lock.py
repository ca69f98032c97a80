"""Resolves requirements/*.in into lock files with hashes: ./bazelw run //tools:lock [-- --upgrade].

uv does not read pip's configuration, so pip's sources are passed to it; none of them ends up in a lock.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

COMMAND = "./bazelw run //tools:lock"
# PyPI has no CPU build of torch: it is taken from pip's find-links, or else from the page that uv knows.
TARGET = ["--python-version=3.11", "--python-platform=x86_64-manylinux_2_28"]


class LockError(Exception):
    """The lock must not be written; the message says why."""


def pip_setting(name: str) -> list[str]:
    """The values of a pip setting, from its configuration files and environment variables."""
    run = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    )
    values = [line.partition("=")[2].strip("'") for line in run.stdout.splitlines() if f".{name}=" in line]
    return list(dict.fromkeys(" ".join(values).replace("\\n", " ").split()))


def sources(torch: str | None) -> list[str]:
    links = pip_setting("find-links") if torch else []
    options = [f"--find-links={link}" for link in links]
    if torch and not links:
        options.append(f"--torch-backend={torch}")
    return options + [f"--default-index={index}" for index in pip_setting("index-url")]


def checked(text: str, must_hold: str) -> str:
    if must_hold not in text:
        raise LockError(
            f"the resolution lacks {must_hold}: name a folder or page that has it in PIP_FIND_LINKS"
        )
    if any("://" in line for line in text.splitlines()):
        raise LockError("the resolution names a package source, which other machines may not reach")
    return text


@dataclass(frozen=True)
class Lock:
    """A lock to be resolved."""

    name: str
    """Name of the `.in` file that it is made from, and of the lock."""
    must_hold: str
    """Beginning of a line that the lock has if it was resolved from the right sources."""
    torch: str | None = None
    """Build of PyTorch that uv should look for, if it is not PyPI's."""
    extra: bool = False
    """Whether its packages are installed beside those of cpu.lock or gpu.lock, and so must fit both."""
    excluded: str = "extras_excluded.txt"
    """File that names the dependencies of an extra lock that are left out."""
    overridden: str | None = None
    """File that names dependencies of which any version is accepted, whatever a package's metadata says."""

    def options(self) -> list[str]:
        if not self.extra:
            return ["--excludes=excluded.txt"]
        options = [f"--excludes={self.excluded}", "--constraints=cpu.lock", "--constraints=gpu.lock"]
        return options + ([f"--overrides={self.overridden}"] if self.overridden else [])


LOCKS = (
    Lock("build", "cmake=="),
    Lock("cpu", "torch==2.13.0+cpu", torch="cpu"),
    Lock("gpu", "vllm=="),
    Lock("ray", "ray==", extra=True),
    Lock("charts", "kubernetes-validate==", extra=True),
    Lock("site", "mkdocs-material==", extra=True),
    Lock("textarena", "textarena==", extra=True),
    Lock("openenv", "openenv-core==", extra=True),
    Lock(
        "verifiers",
        "verifiers==",
        extra=True,
        excluded="verifiers_excluded.txt",
        overridden="verifiers_overridden.txt",
    ),
    Lock("export", "pyarrow==", extra=True),
    Lock("otel", "opentelemetry-sdk==", extra=True),
    Lock("bitsandbytes", "bitsandbytes==", extra=True),
)
"""All locks; those that others are constraints of come first."""


def resolve(folder: Path, wanted: Lock, upgrade: bool) -> None:
    """Writes folder/NAME.lock; leaves it as it was if anything fails."""
    name = wanted.name
    lock = folder / f"{name}.lock"
    with tempfile.TemporaryDirectory() as scratch:
        new = Path(scratch, lock.name)
        if lock.exists() and not upgrade:
            shutil.copy(lock, new)  # uv prefers the versions that it finds there
        command = [
            find_uv_bin(),
            "pip",
            "compile",
            f"{name}.in",
            "--generate-hashes",
            "--no-config",
            "--quiet",
        ]
        options = [*wanted.options(), f"--custom-compile-command={COMMAND}", f"--output-file={new}"]
        subprocess.run(
            [*command, *options, *TARGET, *sources(wanted.torch)],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        lock.write_text(checked(new.read_text(), wanted.must_hold))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take newer versions of indirect dependencies")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="locks to resolve, by default all")
    options = parser.parse_args(arguments)
    workspace = Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY") or Path(__file__).resolve().parents[1])
    for lock in LOCKS:
        if options.only and lock.name not in options.only:
            continue
        print(f"requirements/{lock.name}.lock ...", file=sys.stderr, flush=True)
        try:
            resolve(workspace / "requirements", lock, options.upgrade)
        except (LockError, subprocess.CalledProcessError) as error:
            print(f"requirements/{lock.name}.lock: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
