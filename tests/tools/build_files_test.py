"""BUILD files written from the imports of a small checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools.build_files import build_files, main, read_package

FILES = {
    "requirements/cpu.lock": "numpy==2.0 \\\n    --hash=sha256:0\npytest==8.0\nhypothesis==6.0\n",
    "low/__init__.py": '"""Low."""\n',
    "low/base.py": "import os\n\nimport numpy as np\n\nimport unheard_of\n",
    "low/words.py": "from low.base import os\nfrom low import base\n",
    "high/inner/__init__.py": "from low import words as words\n",
    "high/inner/part.py": "def late() -> None:\n    import low.base\n",
    "high/tool.py": (
        'from high.inner import part\nfrom high.inner import words\n\nif __name__ == "__main__":\n    pass\n'
    ),
    "tests/high/tool_test.py": (
        "import numpy\nimport pytest\nfrom hypothesis import given\n\nimport high.tool\n"
        "from hiper.v1 import a_pb2\nfrom tests.high.helper import x\n"
    ),
    "tests/high/helper.py": "x = 1\n",
    "tools/secret.py": "",
    "setup.py": "import low.base\n",
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


def test_every_folder_but_tools_and_the_root_has_a_file(checkout: Path) -> None:
    assert sorted(build_files(checkout)) == [
        f"{f}/BUILD" for f in ("high", "high/inner", "low", "tests/high")
    ]


def test_a_library_has_a_target_with_what_it_imports(checkout: Path) -> None:
    assert build_files(checkout)["low/BUILD"] == (
        'load("//tools:layout.bzl", "importers")\n'
        'load("//tools:py.bzl", "py_library", "requirement")\n'
        "\n"
        'package(default_visibility = importers("low"))\n'
        "\n"
        "py_library(\n"
        '    name = "base",\n'
        "    srcs = [\n"
        '        "__init__.py",\n'
        '        "base.py",\n'
        "    ],\n"
        '    deps = [requirement("numpy")],\n'
        ")\n"
        "\n"
        "py_library(\n"
        '    name = "words",\n'
        "    srcs = [\n"
        '        "__init__.py",\n'
        '        "words.py",\n'
        "    ],\n"
        '    deps = [":base"],\n'
        ")\n"
    )


def test_an_init_with_imports_of_ours_is_a_target_of_its_own(checkout: Path) -> None:
    text = build_files(checkout)["high/inner/BUILD"]
    assert 'name = "inner",\n    srcs = ["__init__.py"],\n    deps = ["//low:words"],' in text
    assert 'name = "part",\n    srcs = ["part.py"],\n    deps = ["//low:base"],' in text


def test_a_main_is_a_binary_and_an_import_from_a_package_is_of_what_it_names(checkout: Path) -> None:
    text = build_files(checkout)["high/BUILD"]
    assert text.endswith(
        'py_binary(\n    name = "tool",\n    srcs = ["tool.py"],\n'
        '    deps = [\n        "//high/inner",\n        "//high/inner:part",\n    ],\n)\n'
    )


def test_a_test_has_what_the_macro_does_not_supply(checkout: Path) -> None:
    text = build_files(checkout)["tests/high/BUILD"]
    assert text.endswith(
        'py_library(\n    name = "helper",\n    srcs = ["helper.py"],\n)\n'
        "\n"
        'py_test(\n    name = "tool_test",\n    srcs = ["tool_test.py"],\n'
        '    deps = [\n        ":helper",\n        "//high:tool",\n        "//proto:hiper_v1",\n'
        '        requirement("hypothesis"),\n        requirement("numpy"),\n    ],\n)\n'
    )
    assert 'importers("tests")' in text


KEPT = """\
load("//tools:layout.bzl", "importers")
load("//tools:py.bzl", "py_test", "requirement")
load("@rules_shell//shell:sh_test.bzl", "sh_test")

package(default_visibility = ["//visibility:public"])

# Read by nobody yet.
filegroup(
    name = "texts",
    srcs = glob(["*.txt"]),
)

sh_test(
    name = "shell",
    srcs = ["shell.sh"],
)

# Slow: it waits for
# nothing.
py_test(
    name = "tool_test",
    testonly = True,
    size = "small",
    srcs = ["gone.py"],
    # The picture of the folders.
    data = ["//docs:picture"],
    env = {"A": "1"},
    shard_count = 3,
    deps = [
        "//gone:away",
        "//low:words",  # keep
        requirement("numpy"),
        requirement("torch"),  # keep
    ],
)
"""


def test_what_is_not_computed_is_left_as_it_was(checkout: Path) -> None:
    (checkout / "tests/high/BUILD").write_text(KEPT)
    text = build_files(checkout)["tests/high/BUILD"]
    assert text.startswith(
        'load("//tools:py.bzl", "py_library", "py_test", "requirement")\n'
        'load("@rules_shell//shell:sh_test.bzl", "sh_test")\n'
        "\n"
        'package(default_visibility = ["//visibility:public"])\n'
        "\n"
        '# Read by nobody yet.\nfilegroup(\n    name = "texts",\n    srcs = glob(["*.txt"]),\n)\n'
        "\n"
        'sh_test(\n    name = "shell",\n    srcs = ["shell.sh"],\n)\n'
    )
    assert text.endswith(
        "# Slow: it waits for\n# nothing.\n"
        'py_test(\n    name = "tool_test",\n    size = "small",\n    testonly = True,\n'
        '    srcs = ["tool_test.py"],\n'
        '    # The picture of the folders.\n    data = ["//docs:picture"],\n'
        '    env = {"A": "1"},\n    shard_count = 3,\n'
        '    deps = [\n        ":helper",\n        "//high:tool",\n        "//low:words",  # keep\n'
        '        "//proto:hiper_v1",\n        requirement("hypothesis"),\n        requirement("numpy"),\n'
        '        requirement("torch"),  # keep\n    ],\n)\n'
    )
    assert "gone" not in text


TOGETHER = """
py_test(
    name = "high_tests",
    size = "small",
    srcs = [
        "other_test.py",
        "tool_test.py",
        "gone_test.py",
    ],
)
"""


def test_the_files_of_a_test_of_several_stay_together(checkout: Path) -> None:
    (checkout / "tests/high/other_test.py").write_text("import low.base\n")
    (checkout / "tests/high/third_test.py").write_text("")
    (checkout / "tests/high/BUILD").write_text(TOGETHER)
    text = build_files(checkout)["tests/high/BUILD"]
    assert (
        'py_test(\n    name = "high_tests",\n    size = "small",\n'
        '    srcs = [\n        "other_test.py",\n        "tool_test.py",\n    ],\n'
        '    deps = [\n        ":helper",\n        "//high:tool",\n        "//low:base",\n'
    ) in text
    assert text.count("py_test(") == 2 and 'name = "third_test"' in text


def test_a_rule_whose_file_is_gone_is_dropped(checkout: Path) -> None:
    (checkout / "low/BUILD").write_text('py_library(\n    name = "old",\n    srcs = ["old.py"],\n)\n')
    assert '"old"' not in build_files(checkout)["low/BUILD"]


def test_writing_twice_changes_nothing_and_says_so(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "tests/high/BUILD").write_text(KEPT)
    monkeypatch.setenv("BUILD_WORKSPACE_DIRECTORY", str(checkout))
    main()
    assert capsys.readouterr().err.splitlines() == [
        f"wrote {folder}/BUILD" for folder in ("high", "high/inner", "low", "tests/high")
    ]
    written = {path: path.read_text() for path in checkout.rglob("BUILD")}
    main()
    assert capsys.readouterr().err == ""
    assert {path: path.read_text() for path in checkout.rglob("BUILD")} == written


def test_a_docstring_and_loads_of_ours_are_not_kept_as_rules() -> None:
    package = read_package('"""About."""\nload("//tools:py.bzl", "py_test")\npackage(features = [])\n')
    assert (package.head, package.rules, package.others) == ("package(features = [])", {}, ())
