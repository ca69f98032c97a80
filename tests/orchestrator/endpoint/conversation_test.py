"""How the messages of a conversation are read as an episode."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.endpoint.conversation import Conversation, EarlierTurn, read_conversation
from orchestrator.endpoint.protocol import ApiError, Message
from trajectory.episode import Decision


def read(*messages: dict[str, Any]) -> Conversation:
    return read_conversation([Message.model_validate(message) for message in messages])


def system(text: str) -> dict[str, Any]:
    return {"role": "system", "content": text}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str | None, **more: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def test_the_system_states_the_goal_and_the_last_user_message_is_the_observation() -> None:
    assert read(system("win"), user("a room")) == Conversation("win", (), "a room")
    two = {
        "role": "developer",
        "content": [{"type": "text", "text": "at "}, {"type": "text", "text": "once"}],
    }
    assert read(system("win"), two, user("a room")).goal == "win\nat once"


def test_without_a_system_the_first_user_message_is_the_goal() -> None:
    assert read(user("win, you see a room")) == Conversation("win, you see a room", (), "win, you see a room")
    assert read(user("win"), user("a room"), user("dark")) == Conversation("win", (), "a room\ndark")


def test_answers_are_actions_with_what_was_decided_if_they_say_it() -> None:
    told = read(
        system("win"),
        user("a room"),
        assistant("go", subgoal="find the door", decision="switch"),
        user("a hall"),
        assistant("look", subgoal="find the door"),
        user("a door"),
        assistant(None),
        user("a door"),
    )
    assert told.turns == (
        EarlierTurn("a room", "go", "find the door", Decision.SWITCH),
        EarlierTurn("a hall", "look", "find the door"),
        EarlierTurn("a door", ""),
    )
    assert told.observation == "a door"


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([system("win")], "the last message must be the user's"),
        ([system("win"), user("a room"), assistant("go")], "the last message must be the user's"),
        ([system(" "), user("a room")], "messages.0: the first message must state the goal"),
        ([assistant("go"), user("a room")], "messages.0: the first message must state the goal"),
        ([system("win"), assistant("go")], "messages.1: a message of the assistant must be after one of the"),
        ([user("win"), system("now")], "messages.1: a message of the system must be at the beginning"),
        (
            [user("win"), assistant("go"), assistant("go"), user("a room")],
            "messages.2: a message of the assistant must be after one of the user",
        ),
    ],
)
def test_messages_that_are_no_episode_are_refused(messages: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ApiError) as refused:
        read(*messages)
    assert message in str(refused.value)
    assert (refused.value.status, refused.value.param) == (400, "messages")
