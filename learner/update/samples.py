"""Training samples for an adapter: its answers, with the advantage of each token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.role import Role
from hae import Advantages
from learner.update.packing import TokenSequence
from trajectory.episode import Episode, Generation, Span, Turn


@dataclass(frozen=True, eq=False)
class AnswerSample:
    """An answer of R tokens, cut after the last token that learns."""

    prompt_ids: tuple[int, ...]
    response_ids: tuple[int, ...]
    sampled_logprobs: npt.NDArray[np.float64]
    """[R] log-probabilities under the distribution that each token was drawn from."""
    advantages: npt.NDArray[np.float64]
    """[R] advantages; 0 for tokens that do not learn."""
    learns: npt.NDArray[np.bool_]
    """[R] whether each token contributes to the loss."""
    temperature: float
    """Temperature of the log-probabilities; never 0."""

    @property
    def sequence(self) -> TokenSequence:
        return TokenSequence(self.prompt_ids, self.response_ids)


def answer_samples(episodes: Sequence[Episode], advantages: Advantages, role: Role) -> list[AnswerSample]:
    """A sample for each answer that has tokens to learn from.

    Decision tokens learn from A_switch at every turn, unless there is none (with two value heads); subgoal
    tokens learn from A_high at the first turn of a segment; action tokens learn from A_low at every turn.

    Args:
        episodes: Episodes with T turns in all.
        advantages: Advantages of these T turns, in the same order.
        role: Whose answers to take.
    """
    turns = [turn for episode in episodes for turn in episode.turns]
    samples = (
        _sample(turn.plan.generation, _planner_credit(turn, advantages, index))
        if role is Role.PLANNER
        else _sample(turn.act.generation, [(turn.act.action_span, float(advantages.low[index]))])
        for index, turn in enumerate(turns)
    )
    return [sample for sample in samples if sample is not None]


def _planner_credit(turn: Turn, advantages: Advantages, index: int) -> Iterator[tuple[Span, float]]:
    if advantages.switch is not None:
        yield turn.plan.decision_span, float(advantages.switch[index])
    if advantages.segment_start[index]:
        yield turn.plan.subgoal_span, float(advantages.high[index])


def _sample(
    generation: Generation, credit: Iterator[tuple[Span, float]] | list[tuple[Span, float]]
) -> AnswerSample | None:
    length = len(generation.token_ids)
    advantages, learns = np.zeros(length), np.zeros(length, dtype=np.bool_)
    for span, advantage in credit:
        advantages[span.begin : span.end] = advantage
        learns[span.begin : span.end] = True
    if not learns.any():
        return None
    end = int(np.flatnonzero(learns)[-1]) + 1
    return AnswerSample(
        prompt_ids=generation.prompt_ids,
        response_ids=generation.token_ids[:end],
        sampled_logprobs=np.asarray(generation.logprobs[:end], dtype=np.float64),
        advantages=advantages[:end],
        learns=learns[:end],
        # Greedy answers carry the log-probabilities of temperature 1.
        temperature=generation.temperature or 1.0,
    )
