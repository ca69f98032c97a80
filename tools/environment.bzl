"""A repository that holds no package itself: it points at a virtual environment made from the lock."""

_NO_PYTHON = """
No Python 3.11 with venv and ensurepip was found (tried $HIPER_PYTHON, python3.11, /usr/bin/python3.11, python3).
On Debian or Ubuntu: apt-get install python3.11 python3.11-venv"""

_NO_COMPILER = """
No {} was found; three Python packages are compiled at install.
On Debian or Ubuntu: apt-get install build-essential"""

_PROBE = "import sys, venv, ensurepip; assert sys.version_info[:2] == (3, 11); print(sys.executable)"

_RULES = {
    False: """
py_binary = native.py_binary
py_library = native.py_library
py_test = native.py_test
""",
    True: """
load("@rules_python//python:py_binary.bzl", _py_binary = "py_binary")
load("@rules_python//python:py_library.bzl", _py_library = "py_library")
load("@rules_python//python:py_test.bzl", _py_test = "py_test")

py_binary = _py_binary
py_library = _py_library
py_test = _py_test
""",
}

# {shebang}: the launcher that a py_binary becomes asks for `python` otherwise, which Debian lacks. PYTHONSAFEPATH
# keeps the folder of the main file off sys.path, where its neighbours would hide installed packages; a PYTHONPATH
# of the shell would do the same.
_TOOLCHAIN = {
    False: """
load("@bazel_tools//tools/python:toolchain.bzl", "py_runtime_pair")
load(":rules.bzl", "py_library")

py_runtime(
    name = "python",
    interpreter_path = "{interpreter}",
    python_version = "PY3",
    stub_shebang = "{shebang}",
)

toolchain(
    name = "python_toolchain",
    toolchain = ":runtime",
    toolchain_type = "@bazel_tools//tools/python:toolchain_type",
)
""",
    True: """
load("@rules_python//python:py_exec_tools_toolchain.bzl", "py_exec_tools_toolchain")
load("@rules_python//python:py_runtime.bzl", "py_runtime")
load("@rules_python//python:py_runtime_pair.bzl", "py_runtime_pair")
load(":rules.bzl", "py_library")

py_runtime(
    name = "python",
    interpreter_path = "{interpreter}",
    interpreter_version_info = {{"major": "3", "minor": "11"}},
    python_version = "PY3",
    stub_shebang = "{shebang}",
)

toolchain(
    name = "python_toolchain",
    toolchain = ":runtime",
    toolchain_type = "@rules_python//python:toolchain_type",
)

py_exec_tools_toolchain(
    name = "exec_tools",
    exec_interpreter = "@rules_python//python:none",
)

toolchain(
    name = "exec_tools_toolchain",
    toolchain = ":exec_tools",
    toolchain_type = "@rules_python//python:exec_tools_toolchain_type",
)
""",
}

_BUILD = """
package(default_visibility = ["//visibility:public"])

py_runtime_pair(
    name = "runtime",
    py3_runtime = ":python",
)

exports_files(["environment.txt"])

[
    py_library(
        name = name,
        data = [":environment.txt"],
    )
    for name in {packages}
]
"""

_SHEBANG = "#!/usr/bin/env -S -u PYTHONPATH -u PYTHONHOME PYTHONSAFEPATH=1 {interpreter}"

def _find_python(repository_ctx):
    candidates = [
        repository_ctx.os.environ.get("HIPER_PYTHON"),
        repository_ctx.which("python3.11"),
        "/usr/bin/python3.11",
        repository_ctx.which("python3"),
    ]
    for candidate in candidates:
        if candidate:
            found = repository_ctx.execute(["/usr/bin/env", candidate, "-I", "-c", _PROBE])
            if found.return_code == 0:
                return found.stdout.strip()
    fail(_NO_PYTHON)

def _packages(lock):
    names = []
    for line in lock.split("\n"):
        name = line.partition("==")[0]
        if line.partition("==")[1] and name == name.strip(" #\\"):
            names.append(name.partition("[")[0])
    return names

def _add_extras(repository_ctx):
    """Replaces the environment in environment.txt by one that has the packages of HIPER_EXTRAS too."""
    choices = [name for name in (repository_ctx.os.environ.get("HIPER_EXTRAS") or "").split(",") if name]
    if not choices:
        return
    locks = {name: label for label, name in repository_ctx.attr.extra_locks.items()}
    for name in choices:
        if name not in locks:
            fail("HIPER_EXTRAS has '%s'; accepted: %s" % (name, ", ".join(sorted(locks))))
    checkout = repository_ctx.path(repository_ctx.attr._extras_script).dirname.dirname
    excluded = [repository_ctx.attr._excluded] + repository_ctx.attr._extras_excluded
    made = repository_ctx.execute(
        [_find_python(repository_ctx), "-s", "-m", "tools.extras"] +
        ["--base=" + repository_ctx.read("environment.txt").strip()] +
        ["--lock=" + str(repository_ctx.path(locks[name])) for name in sorted(choices)] +
        ["--excluded=" + str(repository_ctx.path(label)) for label in excluded] +
        ["--result=" + str(repository_ctx.path("environment.txt"))],
        environment = {"PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"},
        quiet = False,
        timeout = 3600,
    )
    if made.return_code:
        fail("The packages of HIPER_EXTRAS could not be added; the reason is above.")

def _python_environment_impl(repository_ctx):
    choice = repository_ctx.os.environ.get("HIPER_REQUIREMENTS") or "cpu"
    if choice not in repository_ctx.attr.locks.values():
        fail("HIPER_REQUIREMENTS is '%s'; accepted: %s" % (choice, ", ".join(repository_ctx.attr.locks.values())))
    lock = [label for label, name in repository_ctx.attr.locks.items() if name == choice][0]
    for tool in ["g++", "make"]:
        if not repository_ctx.which(tool):
            fail(_NO_COMPILER.format(tool))

    # Not inside this repository, which Bazel would take minutes to delete at each new lock.
    root = str(repository_ctx.path("../../..")) + "/hiper_rl_environments"
    made = repository_ctx.execute(
        [
            _find_python(repository_ctx),
            "-I",
            repository_ctx.path(repository_ctx.attr._script),
            "--root=" + root,
            "--build-lock=" + str(repository_ctx.path(repository_ctx.attr._build_lock)),
            "--lock=" + str(repository_ctx.path(lock)),
            "--excluded=" + str(repository_ctx.path(repository_ctx.attr._excluded)),
            "--result=" + str(repository_ctx.path("environment.txt")),
        ],
        quiet = False,
        timeout = 3600,
    )
    if made.return_code:
        fail("The Python environment could not be made; the reason is above.")
    _add_extras(repository_ctx)

    modules = repository_ctx.attr.modules
    interpreter = repository_ctx.read("environment.txt").strip() + "/bin/python"
    repository_ctx.file("rules.bzl", _RULES[modules])
    toolchain = _TOOLCHAIN[modules].format(
        interpreter = interpreter,
        shebang = _SHEBANG.format(interpreter = interpreter),
    )
    packages = _packages(repository_ctx.read(repository_ctx.path(lock)))
    repository_ctx.file("BUILD", toolchain + _BUILD.format(packages = repr(packages)))

# Local, so that an environment deleted by hand is made again when the Bazel server starts.
python_environment = repository_rule(
    implementation = _python_environment_impl,
    attrs = {
        "locks": attr.label_keyed_string_dict(
            allow_files = True,
            default = {
                Label("//requirements:cpu.lock"): "cpu",
                Label("//requirements:gpu.lock"): "gpu",
            },
        ),
        "extra_locks": attr.label_keyed_string_dict(
            allow_files = True,
            default = {
                Label("//requirements:bitsandbytes.lock"): "bitsandbytes",
                Label("//requirements:charts.lock"): "charts",
                Label("//requirements:export.lock"): "export",
                Label("//requirements:ray.lock"): "ray",
                Label("//requirements:site.lock"): "site",
                Label("//requirements:textarena.lock"): "textarena",
                Label("//requirements:openenv.lock"): "openenv",
                Label("//requirements:otel.lock"): "otel",
                Label("//requirements:verifiers.lock"): "verifiers",
            },
        ),
        "modules": attr.bool(mandatory = True, doc = "Whether MODULE.bazel was read, and so rules_python is there."),
        "_build_lock": attr.label(allow_single_file = True, default = Label("//requirements:build.lock")),
        "_excluded": attr.label(allow_single_file = True, default = Label("//requirements:excluded.txt")),
        "_extras_excluded": attr.label_list(
            allow_files = True,
            default = [
                Label("//requirements:extras_excluded.txt"),
                Label("//requirements:verifiers_excluded.txt"),
                Label("//requirements:verifiers_overridden.txt"),
            ],
        ),
        "_extras_script": attr.label(allow_single_file = True, default = Label("//tools:extras.py")),
        "_script": attr.label(allow_single_file = True, default = Label("//tools:environment.py")),
    },
    environ = ["HIPER_EXTRAS", "HIPER_PYTHON", "HIPER_REQUIREMENTS"],
    local = True,
)
