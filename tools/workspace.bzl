"""What WORKSPACE declares (Bazel 4 to 7 without modules)."""

load("//tools:environment.bzl", "python_environment")

# What Bazel 4's own BUILD files take from the repositories that it would download at the first analysis, though no
# target here needs more of them than that.
_STUBS = {
    "rules_cc": {
        "cc/BUILD": "",
        "cc/defs.bzl": """
cc_binary = native.cc_binary
cc_import = native.cc_import
cc_library = native.cc_library
cc_proto_library = native.cc_proto_library
cc_test = native.cc_test
cc_toolchain = native.cc_toolchain
cc_toolchain_suite = native.cc_toolchain_suite
objc_library = native.objc_library
""",
    },
    "rules_java": {
        "java/BUILD": "",
        "java/defs.bzl": """
java_binary = native.java_binary
java_import = native.java_import
java_library = native.java_library
java_proto_library = native.java_proto_library
java_runtime = native.java_runtime
java_toolchain = native.java_toolchain
""",
    },
    "remote_coverage_tools": {
        "BUILD": """
package(default_visibility = ["//visibility:public"])
filegroup(name = "coverage_report_generator")
filegroup(name = "lcov_merger")
""",
    },
}

def _stub_repository_impl(repository_ctx):
    repository_ctx.file("WORKSPACE", "workspace(name = \"%s\")\n" % repository_ctx.name)
    for path, content in _STUBS[repository_ctx.name].items():
        repository_ctx.file(path, content)

_stub_repository = repository_rule(implementation = _stub_repository_impl)

def hiper_workspace():
    """Declares the Python environment, and keeps Bazel 4 from downloading what is not used."""
    python_environment(name = "python_environment", modules = False)

    # Newer Bazels, told apart by a function that 4 lacks since Debian's 4.2.3 states no version, have their own.
    if not hasattr(native, "package_relative_label"):
        for name in _STUBS:
            if name not in native.existing_rules():
                _stub_repository(name = name)
