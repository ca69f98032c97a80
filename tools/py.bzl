"""The Python rules of this repository. BUILD files load from here only."""

load(
    "@python_environment//:rules.bzl",
    _py_binary = "py_binary",
    _py_library = "py_library",
    _py_test = "py_test",
)

# Installed packages are no inputs of an action. This file names the environment that holds them, by the hash of the
# lock: with it among the inputs, a changed lock reruns every test.
_ENVIRONMENT = "@python_environment//:environment.txt"

def requirement(name):
    """Label of an installed package, by its PyPI name in lower case with dashes. It must be in the lock."""
    return "@python_environment//:" + name

def py_library(name, **kwargs):
    _py_library(name = name, **kwargs)

def py_binary(name, srcs, main = None, data = [], **kwargs):
    """An executable; the only source is its main."""
    _py_binary(
        name = name,
        srcs = srcs,
        main = main or srcs[0],
        data = data + [_ENVIRONMENT],
        legacy_create_init = 0,
        **kwargs
    )

# One step longer than Bazel's own for each size: on a busy machine importing PyTorch alone takes 16 s.
_TIMEOUTS = {
    "small": "moderate",
    "medium": "long",
    "large": "eternal",
    "enormous": "eternal",
}

def py_test(name, srcs, deps = [], data = [], args = [], size = "medium", timeout = None, **kwargs):
    """Runs the sources under pytest."""
    _py_test(
        name = name,
        size = size,
        timeout = timeout or _TIMEOUTS[size],
        srcs = srcs + ["//tools:pytest_main.py"],
        main = "//tools:pytest_main.py",
        args = ["$(location %s)" % src for src in srcs] + args,
        data = data + [_ENVIRONMENT],
        legacy_create_init = 0,
        deps = deps + [requirement("pytest"), requirement("pytest-bazel")],
        **kwargs
    )

def py_grpc_library(name, srcs, deps = [], **kwargs):
    """Python modules, gRPC services and type stubs of .proto files; this package's folder is the import root."""
    folders = {}
    outs = []
    for src in srcs:
        if not src.endswith(".proto"):
            fail("py_grpc_library(%s): %s is no .proto file" % (name, src))
        stem = src[:-len(".proto")]
        outs += [stem + "_pb2.py", stem + "_pb2.pyi", stem + "_pb2_grpc.py"]
        parts = src.split("/")[:-1]
        for depth in range(len(parts)):
            folders["/".join(parts[:depth + 1])] = True
    packages = [folder + "/__init__.py" for folder in folders]
    native.genrule(
        name = name + "_generated",
        srcs = srcs,
        outs = outs + packages,
        cmd = "$(location //tools:protoc) %s $(RULEDIR) $(SRCS)" % native.package_name(),
        message = "Generating Python from",
        tools = ["//tools:protoc"],
    )
    _py_library(
        name = name,
        srcs = [out for out in outs + packages if out.endswith(".py")],
        data = [out for out in outs if out.endswith(".pyi")],
        imports = ["."],
        deps = deps + [requirement("grpcio"), requirement("protobuf")],
        **kwargs
    )
