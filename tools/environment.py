"""Makes the virtual environment of a lock, once, in a folder named after everything that goes into it.

Runs before anything is installed: standard library only. Concurrent calls wait for the first.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

# PyTorch's own page of CPU builds; PyPI has none. Asked only where pip's own sources lack the locked one.
TORCH_CPU_BUILDS = "https://download.pytorch.org/whl/cpu/torch/"


class SetupError(Exception):
    """The environment could not be made; the message says why."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder that holds the environments")
    parser.add_argument("--lock", type=Path, required=True, help="what to install, with hashes")
    parser.add_argument("--build-lock", type=Path, required=True, help="what building source packages takes")
    parser.add_argument("--excluded", type=Path, required=True, help="dependencies left out on purpose")
    parser.add_argument("--result", type=Path, required=True, help="file to write the environment's path to")
    return parser.parse_args()


def fingerprint(inputs: list[Path]) -> str:
    """Hash of the files, the interpreter and the platform."""
    digest = hashlib.sha256()
    for path in inputs:
        content = path.read_bytes()
        digest.update(b"%d " % len(content) + content)
    digest.update(f"{sys.version} {sys.executable} {sysconfig.get_platform()} {platform.libc_ver()}".encode())
    return digest.hexdigest()[:16]


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """Holds a lock; a child that inherits the descriptor goes on holding it when this process is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle.fileno()


def excluded_names(path: Path) -> set[str]:
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return {line for line in lines if line}


def torch_requirement(lock: Path) -> str:
    """The lock's entry for PyTorch, hashes included."""
    entries = lock.read_text().split("\ntorch==", maxsplit=1)
    if len(entries) == 1:
        raise SetupError(f"{lock} has no entry for torch")
    lines = entries[1].splitlines()
    last = next(index for index, line in enumerate(lines) if not line.endswith("\\"))
    return "torch==" + "\n".join(lines[: last + 1]) + "\n"


class Environment:
    """A virtual environment under construction, with a log beside its packages."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self.lock = lock
        self.log = folder / "setup.log"
        self.compiler = folder / "compiler"

    def create(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        venv.EnvBuilder(with_pip=True, symlinks=True).create(self.folder)
        # Without the debug information that fast-downward asks for, its library has 1.3 MB instead of 34.
        self.compiler.write_text('#!/bin/sh\nexec g++ "$@" -g0\n')
        self.compiler.chmod(0o755)

    def variables(self, extra: Mapping[str, str]) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        return {
            **kept,
            "PATH": f"{self.folder / 'bin'}{os.pathsep}{kept.get('PATH', os.defpath)}",
            "CXX": str(self.compiler),
            "DS_BUILD_OPS": "0",  # deepspeed: compile no operators at install
            "MAKEFLAGS": f"-j{os.cpu_count() or 1}",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INPUT": "1",
            **extra,
        }

    def pip(self, *command: str, **extra: str) -> subprocess.CompletedProcess[str]:
        """Runs pip; the output goes to the log too."""
        run = subprocess.run(
            [str(self.folder / "bin" / "python"), "-m", "pip", *command],
            env=self.variables(extra),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            pass_fds=[self.lock],
        )
        with self.log.open("a") as log:
            log.write(f"$ pip {' '.join(command)}\n{run.stdout}\n")
        return run

    def install(self, lock: Path, *options: str, **extra: str) -> None:
        command = [
            "install",
            "--no-deps",
            "--require-hashes",
            "--progress-bar=off",
            *options,
            "-r",
            str(lock),
        ]
        run = self.pip(*command, **extra)
        if run.returncode:
            raise SetupError("\n".join(run.stdout.splitlines()[-40:]) + f"\nThe whole log: {self.log}")

    def install_torch(self, lock: Path) -> None:
        alone = self.folder / "torch.lock"
        alone.write_text(torch_requirement(lock))
        try:
            self.install(alone)
        except SetupError as error:
            if "+cpu" not in alone.read_text() or "No matching distribution" not in str(error):
                raise
            sources = os.environ.get("PIP_FIND_LINKS", "")
            self.install(alone, PIP_FIND_LINKS=f"{sources} {TORCH_CPU_BUILDS}".strip())

    def check(self, excluded: set[str]) -> None:
        """Every dependency that an installed package asks for is there, but those left out on purpose.

        Those of them that are there nevertheless, for another package, may have any version.
        """
        # pip also complains of "not supported on this platform": a matter of how a wheel's tags are spelled.
        asked = [
            line
            for line in self.pip("check").stdout.splitlines()
            if " requires " in line or " has requirement " in line
        ]
        left_out = {f" requires {name}, which is not installed." for name in excluded}
        any_version = {f", but you have {name} " for name in excluded}
        problems = [line for line in asked if not any(part in line for part in left_out | any_version)]
        if problems:
            raise SetupError("The lock does not fit together:\n" + "\n".join(problems))


def make(environment: Environment, lock: Path, build_lock: Path, excluded: set[str]) -> None:
    count = sum("==" in line for line in lock.read_text().splitlines())
    steps: dict[str, Callable[[], object]] = {
        "virtual environment": environment.create,
        "build tools": lambda: environment.install(build_lock),
        "PyTorch": lambda: environment.install_torch(lock),
        f"{count} packages, three of them compiled": lambda: environment.install(
            lock, "--no-build-isolation"
        ),
        "check": lambda: environment.check(excluded),
    }
    for number, (name, step) in enumerate(steps.items(), start=1):
        begin = time.monotonic()
        print(f"Python environment {number}/{len(steps)}: {name} ...", file=sys.stderr, flush=True)
        step()
        print(f"    {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)


def main() -> int:
    options = arguments()
    name = fingerprint([options.lock, options.build_lock, options.excluded, Path(__file__)])
    folder = options.root.resolve() / name
    complete = folder / "complete"
    with locked(options.root / f"{name}.lock") as lock:
        if not complete.exists():
            try:
                excluded = excluded_names(options.excluded)
                make(Environment(folder, lock), options.lock, options.build_lock, excluded)
            except SetupError as error:
                print(error, file=sys.stderr)
                return 1
            complete.touch()
    options.result.write_text(f"{folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
