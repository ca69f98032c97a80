"""Conversion of episodes to and from their protobuf messages (hiper.v1)."""

from __future__ import annotations

from collections.abc import Sequence

from hiper.v1 import episode_pb2 as pb

from core.errors import InvalidInputError
from trajectory.episode import (
    Act,
    AdmissibleAction,
    Decision,
    Episode,
    EpisodeKey,
    Generation,
    PastTurn,
    Plan,
    Span,
    Told,
    Turn,
    TurnContext,
)

_DECISION_TO_PB = {Decision.KEEP: pb.DECISION_KEEP, Decision.SWITCH: pb.DECISION_SWITCH}
# A decision added by a newer version of the protocol is read as KEEP, like an answer that cannot be parsed.
_DECISION_FROM_PB = {pb.DECISION_SWITCH: Decision.SWITCH}


def decision_to_pb(decision: Decision) -> pb.Decision:
    return _DECISION_TO_PB[decision]


def decision_from_pb(decision: pb.Decision) -> Decision:
    return _DECISION_FROM_PB.get(decision, Decision.KEEP)


def span_to_pb(span: Span) -> pb.TokenSpan:
    return pb.TokenSpan(begin=span.begin, end=span.end)


def span_from_pb(message: pb.TokenSpan) -> Span:
    return Span(message.begin, message.end)


def generation_to_pb(generation: Generation) -> pb.Generation:
    return pb.Generation(
        prompt_ids=generation.prompt_ids,
        token_ids=generation.token_ids,
        logprobs=generation.logprobs,
        adapter_version=generation.adapter_version,
        temperature=generation.temperature,
        length_limited=generation.length_limited,
        engine_seconds=generation.engine_seconds,
    )


def generation_from_pb(message: pb.Generation) -> Generation:
    return Generation(
        prompt_ids=tuple(message.prompt_ids),
        token_ids=tuple(message.token_ids),
        logprobs=tuple(message.logprobs),
        adapter_version=message.adapter_version,
        temperature=message.temperature,
        length_limited=message.length_limited,
        engine_seconds=message.engine_seconds,
    )


def told_to_pb(told: Told | None) -> pb.ToldObservation | None:
    if told is None:
        return None
    return pb.ToldObservation(alone=told.alone, after=None if told.after == told.alone else told.after)


def told_from_pb(message: pb.PastTurn | pb.TurnContext) -> Told | None:
    """The shortened form of the message's observation; None if it has none."""
    if not message.HasField("told"):
        return None
    told = message.told
    return Told(told.alone, told.after if told.HasField("after") else told.alone)


def told_actions_to_pb(actions: Sequence[AdmissibleAction]) -> list[pb.ToldAction]:
    return [pb.ToldAction(follows=action.follows, place=action.place) for action in actions]


def actions_from_pb(texts: Sequence[str], told: Sequence[pb.ToldAction]) -> tuple[AdmissibleAction, ...]:
    """The admissible actions of a request; without `told`, all of them are listed unchanged.

    Raises:
        InvalidInputError: `told` is not as long as `texts`.
    """
    if not told:
        return tuple(map(AdmissibleAction, texts))
    if len(told) != len(texts):
        raise InvalidInputError(f"told_actions: {len(told)} for {len(texts)} admissible_actions")
    return tuple(
        AdmissibleAction(text, each.follows, each.place) for text, each in zip(texts, told, strict=True)
    )


def context_to_pb(context: TurnContext) -> pb.TurnContext:
    return pb.TurnContext(
        goal=context.goal,
        turn=context.turn,
        history=[
            pb.PastTurn(observation=p.observation, action=p.action, told=told_to_pb(p.told))
            for p in context.history
        ],
        observation=context.observation,
        subgoal=context.subgoal,
        subgoal_age=context.subgoal_age,
        told=told_to_pb(context.told),
    )


def context_from_pb(message: pb.TurnContext) -> TurnContext:
    return TurnContext(
        goal=message.goal,
        turn=message.turn,
        history=tuple(PastTurn(p.observation, p.action, told_from_pb(p)) for p in message.history),
        observation=message.observation,
        subgoal=message.subgoal,
        subgoal_age=message.subgoal_age,
        told=told_from_pb(message),
    )


def turn_to_pb(turn: Turn, index: int) -> pb.Turn:
    return pb.Turn(
        index=index,
        observation=turn.observation,
        decision=decision_to_pb(turn.plan.decision),
        subgoal=turn.plan.subgoal,
        plan_valid=turn.plan.valid,
        plan=generation_to_pb(turn.plan.generation),
        decision_span=span_to_pb(turn.plan.decision_span),
        subgoal_span=span_to_pb(turn.plan.subgoal_span),
        action=turn.act.action,
        action_valid=turn.act.valid,
        act=generation_to_pb(turn.act.generation),
        action_span=span_to_pb(turn.act.action_span),
        reward=turn.reward,
        seconds=turn.seconds,
        environment_seconds=turn.environment_seconds,
    )


def turn_from_pb(message: pb.Turn) -> Turn:
    plan = Plan(
        decision=decision_from_pb(message.decision),
        subgoal=message.subgoal,
        valid=message.plan_valid,
        generation=generation_from_pb(message.plan),
        decision_span=span_from_pb(message.decision_span),
        subgoal_span=span_from_pb(message.subgoal_span),
    )
    act = Act(
        action=message.action,
        valid=message.action_valid,
        generation=generation_from_pb(message.act),
        action_span=span_from_pb(message.action_span),
    )
    return Turn(
        observation=message.observation,
        plan=plan,
        act=act,
        reward=message.reward,
        seconds=message.seconds,
        environment_seconds=message.environment_seconds,
    )


def key_to_pb(key: EpisodeKey) -> pb.EpisodeKey:
    return pb.EpisodeKey(run_id=key.run_id, task_id=key.task_id, seed=key.seed, attempt=key.attempt)


def key_from_pb(message: pb.EpisodeKey) -> EpisodeKey:
    return EpisodeKey(message.run_id, message.task_id, message.seed, message.attempt)


def episode_to_pb(episode: Episode) -> pb.Episode:
    return pb.Episode(
        key=key_to_pb(episode.key),
        number=episode.number,
        group=episode.group,
        lease_id=episode.lease_id,
        benchmark=episode.benchmark,
        task_type=episode.task_type,
        goal=episode.goal,
        turns=[turn_to_pb(turn, index) for index, turn in enumerate(episode.turns)],
        terminated=episode.terminated,
        truncated=episode.truncated,
        won=episode.won,
        score=episode.score,
        final_observation=episode.final_observation,
        final_planner_prompt_ids=episode.final_planner_prompt_ids,
        final_executor_prompt_ids=episode.final_executor_prompt_ids,
        seconds=episode.seconds,
    )


def episode_from_pb(message: pb.Episode) -> Episode:
    return Episode(
        key=key_from_pb(message.key),
        number=message.number,
        group=message.group,
        lease_id=message.lease_id,
        benchmark=message.benchmark,
        task_type=message.task_type,
        goal=message.goal,
        turns=tuple(turn_from_pb(turn) for turn in message.turns),
        terminated=message.terminated,
        truncated=message.truncated,
        won=message.won,
        score=message.score,
        final_observation=message.final_observation,
        final_planner_prompt_ids=tuple(message.final_planner_prompt_ids),
        final_executor_prompt_ids=tuple(message.final_executor_prompt_ids),
        seconds=message.seconds,
    )
