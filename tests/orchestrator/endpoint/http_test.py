"""The endpoint over a real socket, with requests as the `openai` client and others write them."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest

from core.errors import AddressInUseError, ExhaustedError, HiperError, InvalidInputError, UnavailableError
from orchestrator.endpoint.api import Api
from orchestrator.endpoint.http import Endpoint
from tests.orchestrator.endpoint.models import Pair

OPENAI_HEADERS = {
    "Accept": "application/json",
    "Authorization": "Bearer sk-none",
    "User-Agent": "OpenAI/Python 2.8.1",
    "X-Stainless-Lang": "python",
}
"""Headers of the `openai` client, which also sends Content-Type, Content-Length and Host."""

CHAT = "/v1/chat/completions"
ROOM = [{"role": "system", "content": "win"}, {"role": "user", "content": "a room"}]


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


class Client:
    """A connection that is kept open between requests."""

    def __init__(self, address: str) -> None:
        self.connection = HTTPConnection(address, timeout=30)

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        payload = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        given = {
            **OPENAI_HEADERS,
            **({"Content-Type": "application/json"} if payload else {}),
            **(headers or {}),
        }
        self.connection.request(method, path, payload, given)
        return _read(self.connection.getresponse())

    def chat(self, **request: Any) -> tuple[int, Any]:
        return self.ask("POST", CHAT, {"model": "hiper", "messages": ROOM, **request})


def _read(response: HTTPResponse) -> tuple[int, Any]:
    assert response.headers.get_content_type() == "application/json"
    return response.status, json.loads(response.read())


Serve = Callable[..., Client]


@pytest.fixture
def serve(loop: asyncio.AbstractEventLoop) -> Iterator[Serve]:
    """Starts an endpoint for a pair; returns a client of it."""
    endpoints, clients = [], []

    def started(pair: Pair, temperatures: tuple[float, ...] = (1.0,), most_bytes: int = 10_000) -> Client:
        endpoints.append(Endpoint(Api(pair.agent(), "hiper", temperatures, 7), loop, most_bytes))
        clients.append(Client(endpoints[-1].start("127.0.0.1", 0)))
        return clients[-1]

    yield started
    for client in clients:
        client.connection.close()
    for endpoint in endpoints:
        endpoint.stop()


def test_a_turn_is_answered_with_action_subgoal_and_usage(serve: Serve) -> None:
    pair = Pair("find the door")
    status, answer = serve(pair).chat(
        temperature=1.0, seed=3, admissible_actions=["go", "look"], max_tokens=64
    )
    assert status == 200
    assert answer.pop("id").startswith("chatcmpl-") and answer.pop("created") > 1_700_000_000
    assert answer == {
        "object": "chat.completion",
        "model": "hiper",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "do find the door",
                    "refusal": None,
                    "subgoal": "find the door",
                    "decision": "switch",
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 30, "completion_tokens": 5, "total_tokens": 35},
    }
    assert [action.text for action in pair.acted[0][1]] == ["go", "look"]


def test_a_conversation_goes_on_over_one_connection_with_the_message_sent_back(serve: Serve) -> None:
    pair = Pair("find the door", "")
    client, messages = serve(pair), list(ROOM)
    for seen in ("a hall", "a yard"):
        _, answer = client.chat(messages=messages)
        messages += [answer["choices"][0]["message"], {"role": "user", "content": seen}]
    assert answer["choices"][0]["message"]["decision"] == "keep"
    (_, second) = pair.planned
    assert (second.turn, second.subgoal, second.subgoal_age) == (1, "find the door", 1)
    assert (second.observation, second.history[0].action) == ("a hall", "do find the door")
    assert len(set(pair.names)) == 2


def test_an_answer_at_the_limit_of_its_length_says_so(serve: Serve) -> None:
    assert serve(Pair("a", cut=True)).chat()[1]["choices"][0]["finish_reason"] == "length"


def test_models_are_listed(serve: Serve) -> None:
    client = serve(Pair())
    card = {"id": "hiper", "object": "model", "created": 7, "owned_by": "hiper"}
    assert client.ask("GET", "/v1/models") == (200, {"object": "list", "data": [card]})
    assert client.ask("GET", "/v1/models/hiper") == (200, card)
    assert client.ask("GET", "/v1/models/gpt")[0] == 404
    assert client.ask("GET", "/health") == (200, {"status": "ok"})


def test_what_changes_nothing_may_be_asked_for(serve: Serve) -> None:
    neutral = {"stream": False, "n": 1, "top_p": 1.0, "stop": None, "tools": [], "user": "x", "metadata": {}}
    assert serve(Pair("a")).chat(**neutral, seed=None, temperature=None)[0] == 200


@pytest.mark.parametrize(
    ("request_", "param", "code", "message"),
    [
        ({"stream": True}, "stream", "unsupported_parameter", "stream = True is not supported"),
        ({"n": 2}, "n", "unsupported_parameter", "n = 2 is not supported"),
        ({"tools": [{"type": "function"}]}, "tools", "unsupported_parameter", "is not supported"),
        ({"temperature": 0}, "temperature", "unsupported_value", "the servers sample with 1;"),
        ({"model": "gpt-5"}, "model", "model_not_found", "there is no model 'gpt-5', only hiper"),
        ({"messages": []}, "messages", None, "at least 1 item"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role", None, "messages.0.role: "),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            None,
            None,
            "messages.0.content",
        ),
        ({"messages": ROOM[:1]}, "messages", None, "the last message must be the user's"),
        ({"messages": ROOM * 1001}, "messages", None, "at most 2000 items"),
        ({"seed": "x"}, "seed", None, "seed: "),
    ],
)
def test_what_is_not_offered_is_refused_in_openai_s_form(
    serve: Serve, request_: dict[str, Any], param: str | None, code: str | None, message: str
) -> None:
    client = serve(Pair("a"), most_bytes=1_000_000)
    status, answer = client.chat(**request_)
    assert status == (404 if code == "model_not_found" else 400)
    error = answer["error"]
    assert answer.keys() == {"error"} and error.keys() == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert message in error["message"] and error["code"] == code
    assert param is None or error["param"] == param
    # The connection is as good as before.
    assert client.chat()[0] == 200


@pytest.mark.parametrize(
    ("error", "status", "type"),
    [
        (InvalidInputError("the prompt is too long"), 400, "invalid_request_error"),
        (ExhaustedError("the queue is full"), 429, "rate_limit_error"),
        (UnavailableError("the planner at a:1 is away"), 503, "server_error"),
        (HiperError("lost"), 500, "server_error"),
    ],
)
def test_errors_of_the_servers_are_passed_on(serve: Serve, error: HiperError, status: int, type: str) -> None:
    got, answer = serve(Pair(error=error)).chat()
    assert (got, answer["error"]["type"]) == (status, type)
    assert answer["error"]["message"] == str(error)


def test_a_defect_of_ours_is_answered_without_its_details(serve: Serve) -> None:
    # The planner is asked for more subgoals than it has.
    status, answer = serve(Pair()).chat()
    assert (status, answer["error"]["message"]) == (500, "the endpoint has failed; its log says how")


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("POST", CHAT, b"{", {}, 400),
        ("POST", CHAT, b"[" * 9000, {}, 400),
        ("POST", CHAT, b'{"model": "\xff"}', {}, 400),
        ("POST", CHAT, b" " * 10_001, {}, 413),
        ("POST", CHAT, b"{}", {"Content-Type": "text/plain"}, 415),
        ("POST", CHAT, b"{}", {"Content-Length": "-1"}, 411),
        ("POST", CHAT, b"{}", {"Transfer-Encoding": "chunked"}, 411),
        ("POST", "/v1/completions", b"{}", {}, 404),
        ("GET", CHAT, None, {}, 405),
        ("GET", CHAT, b"GET /health HTTP/1.1", {}, 405),
        ("DELETE", "/v1/models/hiper", None, {}, 405),
        ("GET", "/../etc/passwd", None, {}, 404),
    ],
)
def test_requests_that_cannot_be_read_are_refused(
    serve: Serve, method: str, path: str, body: bytes | None, headers: dict[str, str], status: int
) -> None:
    client = serve(Pair("a"))
    got, answer = client.ask(method, path, body, headers)
    assert got == status
    assert answer["error"]["type"] == "invalid_request_error"
    assert client.chat()[0] == 200


def test_what_is_not_http_is_refused_and_the_rest_served(serve: Serve) -> None:
    client = serve(Pair("a"))
    with socket.create_connection((client.connection.host, client.connection.port), timeout=30) as raw:
        raw.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert b'"invalid_request_error"' in raw.makefile("rb").read()
    assert client.chat()[0] == 200


def test_connections_beyond_the_limit_are_closed(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.endpoint.http.MOST_CONNECTIONS", 1)
    client = serve(Pair("a"))
    assert client.chat()[0] == 200
    with socket.create_connection((client.connection.host, client.connection.port), timeout=30) as second:
        assert second.recv(1) == b""


def test_a_port_in_use_is_named(serve: Serve, loop: asyncio.AbstractEventLoop) -> None:
    taken = serve(Pair())
    other = Endpoint(Api(Pair().agent(), "hiper", ()), loop)
    with pytest.raises(AddressInUseError, match=f"cannot listen on 127.0.0.1:{taken.connection.port}"):
        other.start("127.0.0.1", taken.connection.port)
