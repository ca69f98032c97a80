"""Which top-level folder may import which: the one table, read by Bazel and by //tests/tools:layout_test."""

# Lower folders first: a folder imports only what stands in its list, so no import runs upward.
MAY_IMPORT = {
    "core": [],
    "hae": [],
    "configuration": ["core", "hae"],
    "trajectory": ["core"],
    "environments": ["core", "configuration"],
    "play": ["core", "environments", "trajectory"],
    "serving": ["core", "configuration", "trajectory"],
    "planner": ["core", "configuration", "trajectory", "serving"],
    "executor": ["core", "configuration", "trajectory", "serving"],
    "run_folder": ["core", "configuration", "trajectory", "serving"],
    "learner": [
        "core",
        "hae",
        "configuration",
        "trajectory",
        "environments",
        "play",
        "serving",
        "planner",
        "executor",
        "run_folder",
    ],
    "orchestrator": [
        "core",
        "configuration",
        "trajectory",
        "environments",
        "play",
        "serving",
        "planner",
        "executor",
        "run_folder",
        "learner",
    ],
    "studies": [
        "core",
        "hae",
        "configuration",
        "trajectory",
        "environments",
        "play",
        "serving",
        "planner",
        "executor",
        "run_folder",
        "learner",
        "orchestrator",
    ],
    "benchmarks": [
        "core",
        "hae",
        "configuration",
        "trajectory",
        "environments",
        "play",
        "serving",
        "planner",
        "executor",
        "run_folder",
        "learner",
        "orchestrator",
        "studies",
    ],
    "deploy": ["core", "configuration", "trajectory", "serving"],
    "commands": [
        "core",
        "hae",
        "configuration",
        "environments",
        "planner",
        "executor",
        "learner",
        "orchestrator",
        "studies",
        "benchmarks",
        "deploy",
    ],
    "tools": [],
}

# Narrower than the table: these folders may be imported only by these parts of a folder above.
ONLY_FROM = {
    ("learner", "planner"): ["learner/imitation"],
    ("learner", "executor"): ["learner/imitation"],
    ("orchestrator", "planner"): ["orchestrator/replaying"],
    ("orchestrator", "executor"): ["orchestrator/replaying"],
    ("orchestrator", "learner"): ["orchestrator/evaluation"],
}

def importers(folder):
    """Visibility of the targets in a top-level folder: the folder itself, who may import it, and the tests."""
    allowed = ["//%s:__subpackages__" % folder, "//tests:__subpackages__"]
    for above, below in MAY_IMPORT.items():
        if folder in below:
            parts = ONLY_FROM.get((above, folder), [above])
            allowed += ["//%s:__subpackages__" % part for part in parts]
    if folder == "tests":
        allowed = ["//tests:__subpackages__"]
    return allowed
