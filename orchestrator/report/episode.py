"""Renders an episode as HTML, turn by turn."""

from __future__ import annotations

from html import escape

from orchestrator.report.data import ShownEpisode
from run_folder.store import Level, TurnAdvantages
from trajectory.episode import Decision, Turn

_HEADINGS = ("turn", "observation", "planner", "executor", "advantages", "reward")


def episode_html(shown: ShownEpisode) -> str:
    """A table of turns; each segment begins with a row of its own that names the subgoal.

    Advantages are shown with the tokens that learn from them: A_high with a subgoal, A_switch and A_low with
    a turn's decision and action.
    """
    episode = shown.episode
    rows = []
    for index, turn in enumerate(episode.turns):
        given = shown.advantages[index] if index < len(shown.advantages) else None
        if index == 0 or turn.plan.decision is Decision.SWITCH:
            rows.append(_segment(turn, given))
        rows.append(_turn(turn, index, given))
    head = "".join(f"<th>{heading}</th>" for heading in _HEADINGS)
    return (
        f"<p>{escape(episode.task_type)} · {escape(episode.key.task_id)}<br>{episode.ending} after "
        f"{len(episode.turns)} turns, score {episode.score:g}, {episode.seconds:.1f} s</p>"
        f'<table class="episode"><tr>{head}</tr>{"".join(rows)}</table>'
        f"<p>final observation: {escape(episode.final_observation)}</p>"
    )


def _segment(turn: Turn, given: TurnAdvantages | None) -> str:
    high = _credit("high", given) if given else ""
    return (
        f'<tr class="segment"><td></td><td colspan="3">subgoal: {escape(turn.plan.subgoal)}</td>'
        f"<td>{high}</td><td></td></tr>"
    )


def _turn(turn: Turn, index: int, given: TurnAdvantages | None) -> str:
    plan, act = turn.plan, turn.act
    cells = (
        str(index),
        escape(turn.observation),
        _said(plan.decision.value, plan.valid, plan.generation.adapter_version),
        _said(act.action, act.valid, act.generation.adapter_version),
        _advantages(turn, given),
        f"{turn.reward:g}" if turn.reward else "",
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _said(text: str, valid: bool, version: int) -> str:
    marked = escape(text) if valid else f'<span class="bad">{escape(text)} (invalid)</span>'
    return f'{marked} <span class="dim">@{version}</span>'


def _advantages(turn: Turn, given: TurnAdvantages | None) -> str:
    if given is None:
        return ""
    decided = given.switch is not None and len(turn.plan.decision_span) > 0
    decision = _credit("switch", given) + "<br>"
    return (decision if decided else "") + _credit("low", given)


def _credit(level: Level, given: TurnAdvantages) -> str:
    """An advantage, and the value that it was computed from, if there is one."""
    advantage, value = given.of(level)
    known = "" if value is None else f'<span class="dim">V_{level} {value:.2f}</span> '
    return "" if advantage is None else f"{known}A_{level} {advantage:+.3f}"
