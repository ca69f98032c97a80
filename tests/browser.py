"""A headless Chromium, driven by the DevTools protocol over a pipe."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_PATIENCE_SECONDS = 60.0
_ERRORS = ("error", "warning", "assert")


@contextmanager
def browser(profile: Path, *options: str) -> Iterator[Page]:
    """An empty page; skips the test where there is no Chromium.

    Args:
        profile: Folder for what the browser keeps.
        options: More of Chromium's command-line options.
    """
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("there is no Chromium: `apt-get install chromium` installs it")
    (requests_out, requests_in), (answers_out, answers_in) = os.pipe(), os.pipe()
    command = [program, "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu"]
    command += ["--disable-dev-shm-usage"]
    command += ["--no-first-run", f"--user-data-dir={profile}", *options]
    # Chromium expects these two pipes as its file descriptors 3 and 4.
    redirection = f'exec "$0" "$@" 3</dev/fd/{requests_out} 4>/dev/fd/{answers_in}'
    process = subprocess.Popen(
        ["sh", "-c", redirection, *command],
        pass_fds=(requests_out, answers_in),
        env={**os.environ, "HOME": str(profile)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(requests_out)
    os.close(answers_in)
    with os.fdopen(requests_in, "wb", buffering=0) as requests, os.fdopen(answers_out, "rb") as answers:
        try:
            yield Page(requests, answers)
        finally:
            process.kill()
            process.wait()


class Page:
    """A tab, with everything that it complained about."""

    def __init__(self, requests: Any, answers: Any) -> None:
        self._requests, self._answers = requests, answers
        self._unread = b""
        self._count = 0
        self._session: str | None = None
        self.complaints: list[str] = []
        """Uncaught exceptions, failed loads, and errors and warnings on the console."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Runtime", "Log", "Page"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """Calls a method of the protocol; returns its result."""
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        self._requests.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._count:
                assert "error" not in answer, answer["error"]
                return answer["result"]
            self._note(answer.get("method", ""), answer.get("params", {}))

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            part = self._answers.read1(1 << 20)
            assert part, "Chromium has ended"
            self._unread += part
        text, _, self._unread = self._unread.partition(b"\0")
        answer: dict[str, Any] = json.loads(text)
        return answer

    def _note(self, method: str, event: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            details = event["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and event["type"] in _ERRORS:
            self.complaints.append(str([each.get("value") for each in event["args"]]))
        elif method == "Log.entryAdded" and event["entry"]["level"] in _ERRORS:
            self.complaints.append(f"{event['entry']['text']} {event['entry'].get('url', '')}")

    def open(self, url: str) -> None:
        """Goes to a page, and waits until it says that it is ready."""
        self.call("Page.navigate", url=url)
        self.wait("document.body?.dataset.ready === 'true'")

    def run(self, script: str) -> Any:
        """The value of an expression in the page; promises are awaited."""
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait(self, condition: str) -> None:
        """Waits until an expression is true; fails after a minute."""
        ends = time.monotonic() + _PATIENCE_SECONDS
        # The page that is being left may answer, so the next one is asked again.
        while not self.run(
            f"new Promise((done) => {{ const ask = (left) => ({condition}) ? done(true) : left ?"
            " setTimeout(ask, 20, left - 1) : done(false); ask(50); })"
        ):
            assert time.monotonic() < ends, f"not true in time: {condition}; complaints: {self.complaints}"

    def choose_files(self, selector: str, paths: Sequence[Path]) -> None:
        """Chooses files in a file input."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])

    def screenshot(self, path: Path, width: int = 1400, height: int = 900, dark: bool = False) -> None:
        """Writes a picture of the page."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))
