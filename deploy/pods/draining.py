"""Takes model servers out of their pool before they are stopped, so that no episode loses its place."""

from __future__ import annotations

import asyncio

import grpc
from hiper.v1 import pool_pb2, pool_pb2_grpc

from configuration.servers import TlsSettings
from serving.rpc.channel import open_channel
from trajectory.pool import PoolTable
from trajectory.pool_wire import table_from_pb


async def drain(learner: str, tls: TlsSettings, address: str, seconds: float) -> str:
    """Tells the learner to give a server no new episodes, and waits until it has none.

    Args:
        learner: Address of the learner.
        tls: Certificates of an operator.
        address: Address under which the server has registered.
        seconds: Longest time to wait.

    Returns:
        How it ended, in words. A learner that is away or refuses does not keep a server from being stopped.
    """
    channel = open_channel(learner, tls)
    try:
        async with asyncio.timeout(seconds):
            stub = pool_pb2_grpc.PoolServiceStub(channel)
            await stub.Drain(pool_pb2.DrainRequest(address=address))
            async for message in stub.WatchPool(pool_pb2.WatchPoolRequest()):
                if is_idle(table_from_pb(message), address):
                    return "it has no episodes any more"
        return "the learner has ended the conversation"
    except TimeoutError:
        return f"it still had episodes after {seconds:g} s, which move to other servers"
    except grpc.aio.AioRpcError as error:
        return f"the learner did not drain it ({error.code().name}: {error.details()})"
    finally:
        await channel.close()


def is_idle(table: PoolTable, address: str) -> bool:
    """Whether no episode is bound to the server at this address, and no call runs there."""
    members = [member for member in table.members if member.replica.address == address]
    return all(member.bound_episodes == 0 and member.replica.calls == 0 for member in members)
