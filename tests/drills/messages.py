"""Drills of the protocol: damaged messages of every RPC are sent to real servers."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import grpc
import psutil
from google.protobuf.message import Message
from hiper.v1 import adapter_pb2, episode_pb2, executor_pb2, learner_pb2, planner_pb2, pool_pb2

from serving.adapters.sender import reason_is_lost
from tests.drills.drill import Effort, Row
from tests.drills.mutate import damaged
from tests.drills.servers import Server, system
from tests.end_to_end.tiny import tiny_model
from tests.learner.service.episodes import episode

REFUSALS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.DATA_LOSS,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNAVAILABLE,
}
"""Codes of proper refusals; INTERNAL and UNKNOWN would mean that the server crashed in the call."""
LOST = "refused, with the reason lost by gRPC"
_AT_ONCE = 16
_SECONDS = 30.0
_GROWTH = 1.25
"""Largest ratio of the resident memory in the second half of the drill to that in its first half.

Garbage in cycles waits for Python's collector, so that memory rises and falls by some 100 MB.
"""


HARMLESS = ("Plan", "Act", "GetState", "Submit", "Renew", "SetAside", "GetStatus")
"""Methods that change nothing, whatever the message says, but for an episode that was leased."""


@dataclass(frozen=True)
class Rpc:
    """A method with valid messages; those of a stream are in their order."""

    server: str
    path: str
    messages: Sequence[Message]

    @property
    def streams(self) -> bool:
        return self.path.endswith("/Push")


def rpcs() -> list[Rpc]:
    """All methods but Stop, which accepts any message, and would end the learner's run."""
    context = episode_pb2.TurnContext(
        goal="put a mug in the sink",
        turn=1,
        history=[episode_pb2.PastTurn(observation="You see a shelf.", action="look")],
        observation="You see a mug.",
        subgoal="find a mug",
        subgoal_age=1,
    )
    actions = ["go to shelf 1", "help"]
    header = adapter_pb2.AdapterHeader(
        run_id="r",
        role=1,
        version=0,
        base_model="b" * 16,
        config_json=b'{"r": 8}',
        weights_size=9,
        sha256=b"h" * 32,
    )
    replica = pool_pb2.Replica(
        role=adapter_pb2.ROLE_PLANNER,
        address="127.0.0.1:1",
        incarnation="i" * 16,
        node="n",
        base_model="b" * 16,
        version=-1,
        healthy=True,
    )
    push = [adapter_pb2.PushRequest(header=header), adapter_pb2.PushRequest(chunk=b"x" * 9)]
    return [
        Rpc("planner", "/hiper.v1.PlannerService/Plan", [planner_pb2.PlanRequest(context=context, seed=1)]),
        Rpc(
            "executor",
            "/hiper.v1.ExecutorService/Act",
            [executor_pb2.ActRequest(context=context, admissible_actions=actions, seed=1)],
        ),
        Rpc("planner", "/hiper.v1.AdapterService/Push", push),
        Rpc("planner", "/hiper.v1.AdapterService/Rollback", [adapter_pb2.RollbackRequest(version=3)]),
        Rpc("executor", "/hiper.v1.AdapterService/GetState", [adapter_pb2.GetStateRequest()]),
        Rpc("learner", "/hiper.v1.EpisodeService/Lease", [episode_pb2.LeaseRequest(run_id="r", holder="h")]),
        Rpc(
            "executor",
            "/hiper.v1.AdapterService/Claim",
            [adapter_pb2.ClaimRequest(run_id="r", holder="h", seconds=1.0)],
        ),
        Rpc("planner", "/hiper.v1.AdapterService/Sleep", [adapter_pb2.SleepRequest(run_id="r")]),
        Rpc(
            "learner",
            "/hiper.v1.EpisodeService/Renew",
            [episode_pb2.RenewRequest(run_id="r", holder="h", lease_ids=["0.0.0"])],
        ),
        Rpc(
            "learner",
            "/hiper.v1.EpisodeService/SetAside",
            [episode_pb2.SetAsideRequest(run_id="r", holder="h", lease_id="0.0.0", reason="turn 1: a bug")],
        ),
        Rpc("learner", "/hiper.v1.EpisodeService/Submit", [episode_pb2.SubmitRequest(episode=episode())]),
        Rpc("learner", "/hiper.v1.LearnerService/GetStatus", [learner_pb2.GetStatusRequest()]),
        Rpc("learner", "/hiper.v1.PoolService/Register", [pool_pb2.RegisterRequest(replica=replica)]),
        Rpc("learner", "/hiper.v1.PoolService/WatchPool", [pool_pb2.WatchPoolRequest(once=True)]),
        Rpc("learner", "/hiper.v1.PoolService/Drain", [pool_pb2.DrainRequest(address="127.0.0.1:1")]),
    ]


def models(effort: Effort) -> list[Row]:
    """The rows of the methods of planner and executor."""
    return drills([rpc for rpc in rpcs() if rpc.server != "learner"], effort)


def learner(effort: Effort) -> list[Row]:
    """The rows of the learner's methods."""
    return drills([rpc for rpc in rpcs() if rpc.server == "learner"], effort)


def drills(wanted: Sequence[Rpc], effort: Effort) -> list[Row]:
    """A row for each of the methods, on real servers."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "run").mkdir()
        with system(folder, tiny_model(folder / "model")) as servers:
            return [asyncio.run(_drill(rpc, servers[rpc.server], effort)) for rpc in wanted]


async def _drill(rpc: Rpc, server: Server, effort: Effort) -> Row:
    draw = Random(f"{effort.seed} {rpc.path}")
    whole = [message.SerializeToString() for message in rpc.messages]
    count = effort.count(100_000, least=20)
    codes: Counter[str] = Counter()
    memory: list[int] = []
    async with grpc.aio.insecure_channel(server.address) as channel:
        for begin in range(0, count, _AT_ONCE):
            sent = [
                [damaged(message, draw) for message in whole] for _ in range(min(_AT_ONCE, count - begin))
            ]
            codes.update(await asyncio.gather(*(call(channel, rpc, parts) for parts in sent)))
            memory.append(psutil.Process(server.pid).memory_info().rss)
    fine = {"OK", LOST, *(code.name for code in REFUSALS)}
    survived = sum(n for code, n in codes.items() if code in fine)
    half = (len(memory) + 1) // 2
    grown = max(memory[-half:]) / max(memory[:half])
    if grown > _GROWTH:
        survived = 0
    note = ", ".join(f"{n:,} {code}" for code, n in codes.most_common())
    return Row(rpc.path.rpartition(".")[2], count, survived, note=f"{note}; memory × {grown:.2f}")


async def call(channel: grpc.aio.Channel, rpc: Rpc, parts: list[bytes]) -> str:
    """The name of the status code."""
    try:
        if rpc.streams:
            await channel.stream_unary(rpc.path)(iter(parts), timeout=_SECONDS)
        elif rpc.path.endswith("/WatchPool"):
            await anext(aiter(channel.unary_stream(rpc.path)(parts[0], timeout=_SECONDS)))
        else:
            await channel.unary_unary(rpc.path)(parts[0], timeout=_SECONDS)
    except grpc.aio.AioRpcError as error:
        return LOST if reason_is_lost(error) else str(error.code().name)
    return "OK"
