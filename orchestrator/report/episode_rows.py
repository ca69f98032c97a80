"""An episode as the viewer's JavaScript reads it: a row of the index, and its turns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hiper.v1 import episode_pb2 as pb

from core.role import Role
from orchestrator.report.token_texts import TokenTexts
from run_folder.blocks import StoredEpisode
from run_folder.turn_advantages import Level, TurnAdvantages
from trajectory.episode import ending_of

COLUMNS = (
    "number",
    "task",
    "type",
    "goal",
    "ending",
    "score",
    "turns",
    "subgoals",
    "oldest",
    "newest",
    "use",
    "invalid",
    "environment",
)
"""Columns of a row: `oldest` and `newest` are adapter versions; `invalid` counts answers without meaning."""
UNREADABLE = "unreadable"
"""Ending of an episode that cannot be decoded."""
BROKEN = "environment broke"
"""Ending where there is no episode, because its environment broke its contract."""
_LEVELS: tuple[Level, ...] = ("high", "switch", "low")


def index_row(stored: StoredEpisode) -> list[Any]:
    """The values of `COLUMNS`."""
    episode = stored.message
    use = "set aside" if stored.set_aside is not None else "trained on" if stored.advantages else "not used"
    if episode is None:
        ending = UNREADABLE if stored.played else BROKEN
        return [stored.number, stored.task_id, "", "", ending, 0, 0, [], None, None, use, 0, ""]
    subgoals = [turn.subgoal for index, turn in enumerate(episode.turns) if _starts(turn, index)]
    versions = [one.adapter_version for turn in episode.turns for one in (turn.plan, turn.act)]
    invalid = sum((not turn.plan_valid) + (not turn.action_valid) for turn in episode.turns)
    return [
        stored.number,
        episode.key.task_id,
        episode.task_type,
        episode.goal,
        ending_of(episode.won, episode.terminated),
        round(episode.score, 4),
        len(episode.turns),
        subgoals,
        min(versions, default=None),
        max(versions, default=None),
        use,
        invalid,
        episode.benchmark,
    ]


def detail(stored: StoredEpisode, texts: Mapping[Role, TokenTexts]) -> dict[str, Any]:
    """The episode with its turns; without them if there are none that can be decoded."""
    episode = stored.message
    if episode is None:
        return {"aside": stored.set_aside}
    return {
        "attempt": episode.key.attempt,
        "group": episode.group,
        "seconds": round(episode.seconds, 2),
        "final": episode.final_observation,
        "aside": stored.set_aside,
        "turns": [
            _turn(turn, index, stored.advantages[index : index + 1], texts)
            for index, turn in enumerate(episode.turns)
        ],
    }


def _starts(turn: pb.Turn, index: int) -> bool:
    """Whether a segment starts with this turn."""
    return index == 0 or turn.decision == pb.DECISION_SWITCH


def _turn(
    turn: pb.Turn, index: int, given: tuple[TurnAdvantages, ...], texts: Mapping[Role, TokenTexts]
) -> dict[str, Any]:
    spans = (("decision", turn.decision_span), ("subgoal", turn.subgoal_span))
    return {
        "observation": turn.observation,
        "starts": _starts(turn, index),
        "subgoal": turn.subgoal,
        "planned": turn.plan_valid,
        "plan": _answer(turn.plan, texts[Role.PLANNER], spans),
        "action": turn.action,
        "acted": turn.action_valid,
        "act": _answer(turn.act, texts[Role.EXECUTOR], (("action", turn.action_span),)),
        "reward": round(turn.reward, 4),
        "seconds": round(turn.seconds, 3),
        **(_credit(given[0], turn, index) if given else {}),
    }


def _answer(
    generation: pb.Generation, texts: TokenTexts, spans: tuple[tuple[str, pb.TokenSpan], ...]
) -> dict[str, Any]:
    """Version, tokens, their log-probabilities, and the ranges of tokens that were learnt from."""
    return {
        "version": generation.adapter_version,
        "epoch": generation.adapter_epoch,
        "tokens": texts.of(generation.token_ids),
        "logprobs": [round(each, 4) for each in generation.logprobs],
        "spans": {name: [span.begin, span.end] for name, span in spans if span.end > span.begin},
        "cut": generation.length_limited,
    }


def _credit(given: TurnAdvantages, turn: pb.Turn, index: int) -> dict[str, Any]:
    """Advantages of the levels that chose something at this turn, as `show` prints them, and all values."""
    chose = {
        "high": _starts(turn, index),
        "switch": turn.decision_span.end > turn.decision_span.begin,
        "low": True,
    }
    credit = {level: given.of(level) for level in _LEVELS}
    advantages = {level: a for level, (a, _) in credit.items() if a is not None and chose[level]}
    values = {level: value for level, (_, value) in credit.items() if value is not None}
    return {
        "advantages": {level: round(each, 4) for level, each in advantages.items()},
        "values": {level: round(each, 4) for level, each in values.items()},
    }
