"""The functions of the Slurm script, and a whole job with stand-ins for srun and scontrol on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

CHECKOUT = Path("pyproject.toml").resolve().parent
FOLDER = CHECKOUT / "deploy/slurm"
SCRIPTS = ("hiper.sbatch", "process.sh", "processes.sh")
# Runs as many tasks as were asked for, with the variables that Slurm gives them.
SRUN = """#!/usr/bin/env bash
tasks=2
while [[ "$1" == --* ]]; do
    case "$1" in --ntasks=*) tasks="${1#*=}" ;; esac
    shift
done
trap 'kill -TERM $(jobs -p) 2>/dev/null' TERM
for ((task = 0; task < tasks; task++)); do SLURM_PROCID=$task SLURM_LOCALID=$task "$@" & done
code=0
for job in $(jobs -p); do wait "$job" || code=$?; done
exit $code
"""
# Notes its arguments; the orchestrator ends when all the servers have been started.
PYTHON = """#!/usr/bin/env bash
echo "$*" >> "$NOTES"
if [[ "$2" == orchestrator.rollout ]]; then
    until [[ "$(grep -c server "$NOTES")" -ge 5 ]]; do sleep 0.02; done
    exit 0
fi
exec sleep 60
"""


def bash(source: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", f"source {FOLDER}/processes.sh\n{source}"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **variables},
    )


@pytest.mark.parametrize("name", SCRIPTS)
def test_bash_can_read_it(name: str) -> None:
    run = subprocess.run(["bash", "-n", str(FOLDER / name)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_the_processes_of_a_node_have_ports_of_their_own() -> None:
    lines = ["learner_port 123456"]
    lines += [
        f"server_port 123456 {role} {number}" for role in ("planner", "executor") for number in range(64)
    ]
    ports = [int(line) for line in bash("\n".join(lines)).stdout.split()]
    assert len(set(ports)) == 129 and all(20000 <= port < 32768 for port in ports)


def test_a_server_that_dies_is_started_again() -> None:
    run = bash('keep executor-0 bash -c "echo started; exit 1"', RESTARTS="3", PAUSE="0")
    assert run.returncode == 1 and run.stdout.count("started") == 4
    assert "restart 3 of 3" in run.stderr and "did not help" in run.stderr


def test_a_steady_server_has_its_restarts_again() -> None:
    dies = "n=$(cat $F); echo $((n + 1)) > $F; [ $n -ge 5 ] && exit 2; exit 1"
    run = bash(
        f"F=$(mktemp); export F; echo 0 > $F; keep planner-0 bash -c '{dies}'",
        RESTARTS="1",
        STEADY="0",
        PAUSE="0",
    )
    assert run.returncode == 2 and run.stderr.count("restart 1 of 1") == 5


def test_what_cannot_work_is_not_started_again() -> None:
    run = bash('keep executor-0 bash -c "echo started; exit 2"', PAUSE="0")
    assert run.returncode == 2 and run.stdout.count("started") == 1


def test_only_an_orchestrator_ends_with_success() -> None:
    assert bash("keep orchestrator-0 true", PAUSE="0").returncode == 0
    assert bash("keep executor-0 true", PAUSE="0", RESTARTS="1").returncode == 1


def test_a_signal_ends_the_process_and_its_keeper(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    source = f"source {FOLDER}/processes.sh; keep executor-0 bash -c 'echo $$ > {pid_file}; exec sleep 60'"
    with subprocess.Popen(["bash", "-c", source]) as process:
        end = time.monotonic() + 20
        while not (pid_file.exists() and pid_file.read_text()) and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


def test_a_job_starts_every_process_and_ends_with_its_orchestrator(tmp_path: Path) -> None:
    for name, text in (("srun", SRUN), ("scontrol", "#!/bin/sh\necho node7\n"), ("python", PYTHON)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    notes = tmp_path / "notes"
    notes.touch()
    run = subprocess.run(
        ["bash", str(FOLDER / "hiper.sbatch"), "c.toml", "runs/r"],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
        env={
            **os.environ,
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "NOTES": str(notes),
            "HIPER_HOME": str(CHECKOUT),
            "SLURM_JOB_ID": "4711",
            "SLURM_JOB_NODELIST_HET_GROUP_0": "node[7-8]",
        },
    )
    assert run.returncode == 0, run.stderr
    started = notes.read_text().splitlines()
    assert Counter(line.split()[1] for line in started) == {
        "learner.server": 1,
        "planner.server": 2,
        "executor.server": 2,
        "orchestrator.rollout": 1,
    }
    assert all("--learner.address node7:24711" in line for line in started if "learner.server" not in line)
    assert all(f"--config {tmp_path}/c.toml" in line for line in started)
    advertised = {line.split("advertise ")[1].split()[0] for line in started if "advertise" in line}
    assert len(advertised) == 4
