"""What runs in Ray's workers; sent there by value, so it imports only the standard library and Ray.

A `Supervisor` starts one of our processes as a child, and tells where it is reached. It ends itself when the
child has died, so that Ray starts both again, here or on another node.
"""

from __future__ import annotations

import collections
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

_REFUSED = 2
"""Exit code of a process whose configuration cannot work: another start would end in the same way."""
_STEADY_SECONDS = 60.0
"""Age from which on the death of a process is followed by a new start at once."""
_PAUSE_SECONDS = 5.0
"""Pause before the new start of a process that did not reach that age."""
_POLL_SECONDS = 0.2
_ASK_SECONDS = 2.0
"""Time between two questions for the learner's address."""
_LAST_LINES = 12

# prctl(PR_SET_PDEATHSIG, SIGTERM): the process ends with the thread that started it, even after SIGKILL.
_ENDS_WITH_US = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 15); os.execv(sys.argv[1], sys.argv[1:])"


class Keeper:
    """Keeps the description of the deployment; Ray gives it to the constructor again after a restart."""

    def __init__(self, deployment: str) -> None:
        self._deployment = deployment

    def deployment(self) -> str:
        """The description, as JSON."""
        return self._deployment


class Supervisor:
    """Runs one process of a deployment."""

    def __init__(
        self,
        name: str,
        arguments: list[str],
        port: int,
        ends: bool,
        configuration: str,
        path: list[str],
        namespace: str,
    ) -> None:
        """Returns at once; the process is started by a thread.

        Args:
            name: Name of the actor.
            arguments: Arguments of this Python interpreter, with the parts `{configuration}`, `{scratch}`,
                `{host}`, `{port}` and `{learner}`, which are replaced.
            port: Port for `{port}`; 0 means a free one.
            ends: Whether exit code 0 means that the work is done.
            configuration: Contents of the file `{configuration}`.
            path: Folders in which the process looks for Python modules.
            namespace: Namespace of the learner's actor.
        """
        self._name, self._arguments, self._port, self._ends = name, arguments, port, ends
        self._path, self._namespace = path, namespace
        self._scratch = pathlib.Path(tempfile.mkdtemp(prefix=f"hiper-{name}-"))
        (self._scratch / "configuration.toml").write_text(configuration, encoding="utf-8")
        self._lines: collections.deque[str] = collections.deque(maxlen=_LAST_LINES)
        self._process: subprocess.Popen[str] | None = None
        self._host, self._node = _place()
        self._learner = ""
        self._state = "waiting for the learner" if self._needs_learner() else "starting"
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="process", daemon=True)
        self._thread.start()

    def describe(self) -> dict[str, str]:
        """The process: state, address, host, id of the node, process id, and the last lines of output."""
        address = self.address()
        return {
            "name": self._name,
            "state": "serving" if address and self._state == "starting" else self._state,
            "host": self._host,
            "node": self._node,
            "address": address,
            "pid": str(self._process.pid) if self._process else "",
            "output": "\n".join(self._lines),
        }

    def address(self) -> str:
        """Address of the server once the present process has said that it is serving; until then empty."""
        try:
            ready = json.loads((self._scratch / "ready.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return ""
        return self._served if ready else ""

    def stop(self, seconds: float) -> bool:
        """Asks the process to end, and waits; returns whether it has ended."""
        self._stopping.set()
        self._state = "stopping"
        if self._process is not None:
            self._process.terminate()
        return self._ended.wait(seconds)

    def _run(self) -> None:
        try:
            code = self._serve()
        except Exception:
            traceback.print_exc()
            code = 1
        if self._stopping.is_set():
            self._state = "stopped"
        elif code == 0 and self._ends:
            self._state = "finished"
        elif code == _REFUSED:
            self._state = "refused"
        else:
            _end_actor()
        self._ended.set()

    def _serve(self) -> int:
        """Runs the process until it ends, with the learner's present address; returns the exit code."""
        while not self._stopping.is_set():
            if self._needs_learner():
                self._learner = self._wait_for_learner()
                if self._stopping.is_set():
                    break
                self._state = "starting"
            begun = time.monotonic()
            code = self._run_once()
            if code is not None:
                steady = time.monotonic() - begun >= _STEADY_SECONDS
                if not steady and code not in (0, _REFUSED):
                    self._state = f"ended with exit code {code}"
                    self._stopping.wait(_PAUSE_SECONDS)
                return code
        return 0

    def _run_once(self) -> int | None:
        """Runs the process until it ends; None if it was ended because the learner has moved."""
        port = self._port or _free_port()
        values = {
            "{configuration}": str(self._scratch / "configuration.toml"),
            "{scratch}": str(self._scratch),
            "{host}": self._host,
            "{port}": str(port),
            "{learner}": self._learner,
        }
        words = [_filled(word, values) for word in self._arguments]
        (self._scratch / "ready.json").unlink(missing_ok=True)
        self._served = f"{self._host}:{port}"
        command = [sys.executable, *words]
        if "--exit-with-parent" not in words:
            command = [sys.executable, "-c", _ENDS_WITH_US, *command]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(self._path)},
        )
        reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        reader.start()
        moved = self._wait(self._process)
        reader.join(1.0)
        return None if moved else self._process.returncode

    def _wait(self, process: subprocess.Popen[str]) -> bool:
        """Waits until the process has ended; returns whether that was because the learner has moved."""
        asked, moved = time.monotonic(), False
        while process.poll() is None:
            time.sleep(_POLL_SECONDS)
            if self._needs_learner() and not moved and time.monotonic() - asked >= _ASK_SECONDS:
                now, asked = self._learner_address(), time.monotonic()
                if now not in ("", self._learner):
                    process.terminate()
                    moved = True
        return moved

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._lines.append(line.rstrip())
            print(line, end="", flush=True)

    def _needs_learner(self) -> bool:
        return any("{learner}" in word for word in self._arguments)

    def _wait_for_learner(self) -> str:
        while not self._stopping.is_set():
            if address := self._learner_address():
                return address
            self._stopping.wait(_POLL_SECONDS)
        return ""

    def _learner_address(self) -> str:
        """The learner's address; empty while it is away."""
        import ray

        try:
            learner = ray.get_actor("learner", namespace=self._namespace)
            return str(ray.get(learner.address.remote(), timeout=_ASK_SECONDS))
        except (ValueError, ray.exceptions.RayError):
            return ""


def _end_actor() -> None:
    """Ends this worker as a failure, after which Ray starts the actor again."""
    sys.stdout.flush()
    os._exit(1)


def _filled(word: str, values: dict[str, str]) -> str:
    for part, value in values.items():
        word = word.replace(part, value)
    return word


def _place() -> tuple[str, str]:
    """Address of this node, as Ray's other nodes know it, and its id; without Ray, loopback."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return "127.0.0.1", ""
    return str(ray.util.get_node_ip_address()), str(ray.get_runtime_context().get_node_id())


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("", 0))
        return int(bound.getsockname()[1])
