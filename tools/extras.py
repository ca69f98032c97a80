"""Makes a virtual environment with a few packages more than another one, whose packages it shares.

Most environments do not need these packages. Runs before anything is installed, like `tools/environment.py`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import venv
from pathlib import Path

from tools.environment import Environment, SetupError, excluded_names, fingerprint, locked


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, required=True, help="environment whose packages are shared")
    parser.add_argument("--lock", type=Path, action="append", required=True, help="packages to add")
    parser.add_argument("--excluded", type=Path, action="append", required=True, help="dependencies left out")
    parser.add_argument("--result", type=Path, required=True, help="file to write the environment's path to")
    return parser.parse_args()


def share(base: Path, folder: Path) -> None:
    """Lets the environment in `folder` import the packages of `base`, and offer its commands."""
    packages = Path("lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "site-packages")
    (folder / packages / "base.pth").write_text(f"{base / packages}\n")
    for command in (base / "bin").iterdir():
        link = folder / "bin" / command.name
        if not link.exists():
            link.symlink_to(command)


def make(environment: Environment, base: Path, locks: list[Path], excluded: set[str]) -> None:
    names = ", ".join(lock.stem for lock in locks)
    print(f"Python environment: adding {names} ...", file=sys.stderr, flush=True)
    shutil.rmtree(environment.folder, ignore_errors=True)
    # Without a pip of its own, whose setuptools would hide the newer ones that the shared packages ask for.
    venv.EnvBuilder(symlinks=True).create(environment.folder)
    share(base, environment.folder)
    for lock in locks:
        environment.install(lock)
    environment.check(excluded)


def main() -> int:
    options = arguments()
    # Another base has other packages, although the locks of the extra ones are the same.
    name = (
        f"with_extras_{fingerprint([*options.lock, *options.excluded, Path(__file__)])}_{options.base.name}"
    )
    folder = options.base.parent / name
    complete = folder / "complete"
    with locked(options.base.parent / f"{name}.lock") as lock:
        if not complete.exists():
            excluded = set().union(*map(excluded_names, options.excluded))
            try:
                make(Environment(folder, lock), options.base, options.lock, excluded)
            except SetupError as error:
                print(error, file=sys.stderr)
                return 1
            complete.touch()
    options.result.write_text(f"{folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
