"""Requests and responses of OpenAI's chat completions, as far as this endpoint speaks them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import HiperError

MOST_MESSAGES = 2000
"""Largest number of messages of a request."""

_NEUTRAL: Mapping[str, Any] = {
    "stream": False,
    "n": 1,
    "top_p": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "logprobs": False,
    "top_logprobs": 0,
    "logit_bias": {},
    "stop": [],
    "tools": [],
    "tool_choice": "none",
    "functions": [],
    "function_call": "none",
    "response_format": {"type": "text"},
    "modalities": ["text"],
    "audio": None,
}
"""Parameters that would change the answer, and that are only accepted with the value that changes nothing."""


class ApiError(HiperError):
    """A request that is answered with an error in OpenAI's form."""

    def __init__(self, status: int, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        """Status code of HTTP."""
        self.param = param
        """Part of the request that is wrong."""
        self.code = code
        """Short name of the error."""

    @property
    def body(self) -> dict[str, Any]:
        """The error as JSON."""
        return {
            "error": {
                "message": str(self),
                "type": _TYPES.get(
                    self.status, "invalid_request_error" if self.status < 500 else "server_error"
                ),
                "param": self.param,
                "code": self.code,
            }
        }


_TYPES = {429: "rate_limit_error"}


class _Part(BaseModel):
    """A field of a request; others that a client sends with it are left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class TextPart(_Part):
    """A part of a message's content; images and sounds are refused."""

    type: Literal["text"]
    text: str


class Message(_Part):
    """A message of the conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | tuple[TextPart, ...] | None = None
    subgoal: str | None = None
    """Subgoal that an answer of this endpoint was given with; our own field."""
    decision: Literal["keep", "switch"] | None = None
    """Planner's decision at that answer; our own field."""

    @property
    def text(self) -> str:
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        return "".join(part.text for part in self.content)


class ChatRequest(BaseModel):
    """The body of `POST /v1/chat/completions`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    model: str
    messages: tuple[Message, ...] = Field(min_length=1, max_length=MOST_MESSAGES)
    seed: int | None = None
    temperature: float | None = None
    admissible_actions: tuple[str, ...] | None = None
    """Actions that the environment accepts now; our own field."""


def read_request(body: bytes) -> ChatRequest:
    """Parses the body of a request.

    Raises:
        ApiError: it is not JSON, a field is missing or wrong, or something is asked for that is not offered.
    """
    try:
        request = ChatRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        param = ".".join(map(str, first["loc"])) or None
        raise ApiError(400, f"{param or 'the body'}: {first['msg']}", param) from error
    for name, value in (request.model_extra or {}).items():
        if name in _NEUTRAL and value is not None and value != _NEUTRAL[name]:
            raise ApiError(400, f"{name} = {value!r:.60} is not supported", name, "unsupported_parameter")
    return request


class Usage(BaseModel):
    """Tokens of all calls to planner and executor that a response took."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class AnswerMessage(BaseModel):
    """The assistant's message, with the fields of ours that may be sent back."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None
    subgoal: str
    decision: Literal["keep", "switch"]


class Choice(BaseModel):
    """The only choice of a response."""

    index: Literal[0] = 0
    message: AnswerMessage
    logprobs: None = None
    finish_reason: Literal["stop", "length"]


class ChatResponse(BaseModel):
    """The response to `POST /v1/chat/completions`."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    """Seconds since 1970."""
    model: str
    choices: tuple[Choice]
    usage: Usage


def model_card(name: str, created: int) -> dict[str, Any]:
    """A model as `GET /v1/models` lists it."""
    return {"id": name, "object": "model", "created": created, "owned_by": "hiper"}
