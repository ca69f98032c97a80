"""`bazel run //executor:server`: runs the executor as a server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hiper.v1 import executor_pb2_grpc

from configuration import command
from configuration.servers import ModelServerSettings
from core.role import Role
from executor.service import ExecutorService
from executor.servicer import SERVICE_NAME, ExecutorServicer
from serving.engine import Engine
from serving.model_server import run_model_server
from serving.rpc.server import ServerFlags, Service

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def service(engine: Engine, tokenizer: PreTrainedTokenizerBase, settings: ModelServerSettings) -> Service:
    """The executor's gRPC service."""
    return service_of(ExecutorService(engine, tokenizer, settings))


def service_of(logic: ExecutorService) -> Service:
    """The gRPC service that answers with `logic`."""
    servicer = ExecutorServicer(logic)
    return Service(
        SERVICE_NAME, lambda server: executor_pb2_grpc.add_ExecutorServiceServicer_to_server(servicer, server)
    )


def main(argv: Sequence[str]) -> int:
    line = command.read(argv, "executor server", ServerFlags)
    return run_model_server(Role.EXECUTOR, line.configuration, line.flags, service)


if __name__ == "__main__":
    command.main(main)
