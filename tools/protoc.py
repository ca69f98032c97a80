"""Generates Python modules from .proto files, as packages: protoc.py PROTO_ROOT OUT FILE..."""

from __future__ import annotations

import importlib.resources
import sys
from pathlib import Path

from grpc_tools import protoc


def main(arguments: list[str]) -> int:
    root, out, *files = arguments
    well_known = importlib.resources.files("grpc_tools") / "_proto"
    outputs = [f"--{kind}_out={out}" for kind in ("python", "pyi", "grpc_python")]
    failed = protoc.main(["protoc", f"-I{root}", f"-I{well_known}", *outputs, *files])
    for file in files:
        for folder in list(Path(file).relative_to(root).parents)[:-1]:
            Path(out, folder, "__init__.py").touch()
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
