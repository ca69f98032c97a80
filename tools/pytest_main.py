"""The main of every py_test: pytest on the files named in the arguments."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    # pytest-bazel writes test.xml only if BAZEL_TEST is set, which Bazel 4 does not do.
    os.environ.setdefault("BAZEL_TEST", "1")
    temporary = os.environ.get("TEST_TMPDIR")
    if temporary:
        os.environ.update(HOME=temporary, HYPOTHESIS_STORAGE_DIRECTORY=os.path.join(temporary, "hypothesis"))

    import pytest_bazel

    pytest_bazel.main(
        ["--import-mode=importlib", "--strict-markers", "--hypothesis-profile=ci", "-ra", *sys.argv[1:]]
    )
