"""What MODULE.bazel declares (Bazel 7 and later)."""

load("//tools:environment.bzl", "python_environment")

def _environment_impl(_module_ctx):
    python_environment(name = "python_environment", modules = True)

environment = module_extension(implementation = _environment_impl)
