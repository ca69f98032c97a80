"""Reads a conversation as an episode: the goal, the earlier turns, and the observation now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.endpoint.protocol import ApiError, Message
from trajectory.episode import Decision

_INSTRUCTIONS = ("system", "developer")


@dataclass(frozen=True)
class EarlierTurn:
    """A turn that was answered before."""

    observation: str
    action: str
    subgoal: str = ""
    """Subgoal of the turn; empty if the message does not have it."""
    decision: Decision | None = None
    """Planner's decision at the turn; None if the message does not have it."""


@dataclass(frozen=True)
class Conversation:
    """An episode up to the observation that is to be answered."""

    goal: str
    turns: tuple[EarlierTurn, ...]
    observation: str


def read_conversation(messages: Sequence[Message]) -> Conversation:
    """The episode that messages tell.

    The first messages, those of the system or the developer, are the goal. Without any, the first message of
    the user is the goal, and also the first observation if no other follows it before the first answer. The
    assistant's messages are actions. The user's messages between two of them are an observation.

    Raises:
        ApiError: the messages are in an order that is no episode.
    """
    begin = next((n for n, one in enumerate(messages) if one.role not in _INSTRUCTIONS), len(messages))
    goal = "\n".join(message.text for message in messages[:begin])
    if not begin:
        goal = messages[0].text if messages[0].role == "user" else ""
        # A second message of the user is the observation, so that the first says the goal alone.
        begin = int(len(messages) > 1 and messages[0].role == messages[1].role == "user")
    if not goal.strip():
        raise ApiError(
            400, "messages.0: the first message must state the goal, as the system or the user", "messages"
        )
    turns, seen = _turns(messages, begin)
    if not seen:
        raise ApiError(400, "messages: the last message must be the user's: the observation", "messages")
    return Conversation(goal, tuple(turns), "\n".join(seen))


def _turns(messages: Sequence[Message], begin: int) -> tuple[list[EarlierTurn], list[str]]:
    """The turns before, and the texts that were seen after the last of them."""
    turns: list[EarlierTurn] = []
    seen: list[str] = []
    for place, message in enumerate(messages[begin:], start=begin):
        if message.role == "user":
            seen.append(message.text)
        elif message.role == "assistant" and seen:
            turns.append(_turn("\n".join(seen), message))
            seen = []
        else:
            where = "at the beginning" if message.role in _INSTRUCTIONS else "after one of the user"
            raise ApiError(
                400, f"messages.{place}: a message of the {message.role} must be {where}", "messages"
            )
    return turns, seen


def _turn(observation: str, message: Message) -> EarlierTurn:
    decision = None if message.decision is None else Decision(message.decision)
    return EarlierTurn(observation, message.text, (message.subgoal or "").strip(), decision)
