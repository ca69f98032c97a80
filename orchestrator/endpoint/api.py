"""The calls of the endpoint, from the body of a request to that of a response; knows nothing of HTTP."""

from __future__ import annotations

import logging
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from core.errors import ExhaustedError, HiperError, InvalidInputError, SlowError, UnavailableError
from orchestrator.endpoint.agent import Agent
from orchestrator.endpoint.conversation import read_conversation
from orchestrator.endpoint.protocol import (
    AnswerMessage,
    ApiError,
    ChatRequest,
    ChatResponse,
    Choice,
    Usage,
    model_card,
    read_request,
)

_log = logging.getLogger(__name__)

_STATUSES: dict[type[HiperError], int] = {
    InvalidInputError: 400,
    ExhaustedError: 429,
    SlowError: 504,
    UnavailableError: 503,
    HiperError: 500,
}
"""Status codes by class of error; a class that is missing here has the code of its nearest base class."""


@dataclass(frozen=True)
class Api:
    """The calls that this endpoint offers."""

    agent: Agent
    name: str
    """Name of the model, which requests must give."""
    temperatures: tuple[float, ...]
    """Temperatures that planner and executor sample with; empty if they are not known."""
    created: int = field(default_factory=lambda: int(time.time()))

    def models(self) -> dict[str, Any]:
        """The response to `GET /v1/models`."""
        return {"object": "list", "data": [model_card(self.name, self.created)]}

    def model(self, name: str) -> dict[str, Any]:
        """The response to `GET /v1/models/NAME`; raises `ApiError` if there is no such model."""
        if name != self.name:
            raise ApiError(
                404, f"there is no model {name!r:.80}, only {self.name}", "model", "model_not_found"
            )
        return model_card(self.name, self.created)

    async def chat(self, body: bytes) -> dict[str, Any]:
        """The response to `POST /v1/chat/completions`.

        Raises:
            ApiError: there is none; says why.
        """
        request = read_request(body)
        self.model(request.model)
        self._check_temperature(request)
        conversation = read_conversation(request.messages)
        id = f"chatcmpl-{uuid.uuid4().hex}"
        actions, seed = request.admissible_actions or (), request.seed or 0
        try:
            answer = await self.agent.answer(id, conversation, actions, seed)
        except HiperError as error:
            raise as_api_error(error) from error
        message = AnswerMessage(content=answer.action, subgoal=answer.subgoal, decision=answer.decision.value)
        usage = Usage(
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
            total_tokens=answer.prompt_tokens + answer.completion_tokens,
        )
        return ChatResponse(
            id=id,
            created=int(time.time()),
            model=self.name,
            choices=(Choice(message=message, finish_reason="length" if answer.cut else "stop"),),
            usage=usage,
        ).model_dump(mode="json")

    def _check_temperature(self, request: ChatRequest) -> None:
        asked = request.temperature
        if asked is None or all(asked == temperature for temperature in self.temperatures):
            return
        sampled = " and ".join(f"{temperature:g}" for temperature in self.temperatures)
        raise ApiError(
            400,
            f"temperature = {asked:g}: the servers sample with {sampled}; --planner.temperature and "
            "--executor.temperature set it when they start",
            "temperature",
            "unsupported_value",
        )


def as_api_error(error: HiperError) -> ApiError:
    """The error as the endpoint answers it."""
    if isinstance(error, ApiError):
        return error
    status = next(_STATUSES[kind] for kind in type(error).__mro__ if kind in _STATUSES)
    if status >= 500:
        _log.warning("answered with %d: %s", status, error)
    return ApiError(status, str(error))
