"""The main of every py_test: pytest on the files named in the arguments."""

from __future__ import annotations

import gc
import os
import sys
from functools import partial


class ResumeCollection:
    """A plugin of pytest that turns garbage collection on once all test files are imported."""

    def pytest_collection_finish(self) -> None:
        gc.freeze()
        gc.enable()


if __name__ == "__main__":
    # Imports make a million objects that stay. Looking for garbage among them takes a seventh of their time.
    gc.disable()

    # pytest-bazel writes test.xml only if BAZEL_TEST is set, which Bazel 4 does not do.
    os.environ.setdefault("BAZEL_TEST", "1")
    temporary = os.environ.get("TEST_TMPDIR")
    if temporary:
        os.environ.update(HOME=temporary, HYPOTHESIS_STORAGE_DIRECTORY=os.path.join(temporary, "hypothesis"))

    import pytest
    from pytest_bazel.main import main

    # The plugin of anyio, which no test needs, would be imported by each.
    options = [
        "--import-mode=importlib",
        "--strict-markers",
        "--hypothesis-profile=ci",
        "-ra",
        "-p",
        "no:anyio",
    ]
    run = partial(pytest.main, plugins=[ResumeCollection()])
    sys.exit(main([*options, *sys.argv[1:]], pytest_main=run))
