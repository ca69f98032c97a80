"""The roles of model servers in protobuf messages (hiper.v1)."""

from __future__ import annotations

from hiper.v1 import adapter_pb2

from core.role import Role

ROLE_TO_PB = {Role.PLANNER: adapter_pb2.ROLE_PLANNER, Role.EXECUTOR: adapter_pb2.ROLE_EXECUTOR}
ROLE_FROM_PB = {number: role for role, number in ROLE_TO_PB.items()}
