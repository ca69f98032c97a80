"""Finds out which of our servers answers at an address."""

from __future__ import annotations

from core.errors import PreconditionError
from orchestrator.clients.learner import LearnerClient
from serving.adapters.client import AdapterClient
from serving.rpc.connection import Connection, WrongServerError


class WrongRoleError(PreconditionError):
    """A server of another role than its section of the configuration needs."""


_ARTICLES = {"executor": "an executor", "planner": "a planner", "learner": "a learner"}


async def check_role(connection: Connection) -> None:
    """Checks that the server has the role of its section of the configuration.

    Raises:
        WrongRoleError: it is another of our servers, or none of them.
        UnavailableError: no server can be reached.
    """
    role, wanted = await role_of(connection), connection.server.section
    if role != wanted:
        raise WrongRoleError(
            f"the server at {connection.server.address} is {_ARTICLES.get(role, 'not one of ours')}; "
            f"--{wanted}.address needs {_ARTICLES[wanted]}"
        )


async def role_of(connection: Connection) -> str:
    """The server's role: `planner`, `executor`, `learner`, or `unknown` if it is none of them.

    Only model servers have the adapter service, and only the learner has a learner service.
    """
    try:
        return (await AdapterClient(connection).state()).role
    except WrongServerError:
        pass
    try:
        await LearnerClient(connection).status()
    except WrongServerError:
        return "unknown"
    return "learner"
