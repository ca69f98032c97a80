"""`bazel run //planner:server`: runs the planner as a server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hiper.v1 import planner_pb2_grpc

from configuration import command
from configuration.servers import PlannerSettings
from core.role import Role
from planner.service import PlannerService
from planner.servicer import SERVICE_NAME, PlannerServicer
from serving.engine import Engine
from serving.model_server import run_model_server
from serving.rpc.server import ServerFlags, Service

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def service(engine: Engine, tokenizer: PreTrainedTokenizerBase, settings: PlannerSettings) -> Service:
    """The planner's gRPC service."""
    return service_of(PlannerService(engine, tokenizer, settings))


def service_of(logic: PlannerService) -> Service:
    """The gRPC service that answers with `logic`."""
    servicer = PlannerServicer(logic)
    return Service(
        SERVICE_NAME, lambda server: planner_pb2_grpc.add_PlannerServiceServicer_to_server(servicer, server)
    )


def main(argv: Sequence[str]) -> int:
    line = command.read(argv, "planner server", ServerFlags)
    settings = line.configuration.planner
    return run_model_server(
        Role.PLANNER,
        line.configuration,
        line.flags,
        lambda engine, tokenizer, _: service(engine, tokenizer, settings),
    )


if __name__ == "__main__":
    command.main(main)
