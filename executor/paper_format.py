"""The executor's prompt in the style of the paper: long instructions and full observations."""

from __future__ import annotations

from collections.abc import Sequence

from serving.text.chat import Chat
from trajectory.episode import AdmissibleAction, TurnContext

INSTRUCTIONS = """\
You are an expert agent that operates in a text environment. A planner has given you a subgoal, a \
milestone on the way to the task. Carry it out, one action per step.

At every step you are given the task, the most recent observations and the actions you took, your current \
observation, the actions that are admissible in the current situation, and the current subgoal together \
with the number of steps for which you have followed it. Before you choose, consider what the current \
observation tells you, which of the admissible actions brings you closer to the subgoal, and whether an \
action that you have taken already had any effect: do not repeat one that had none.

Answer with exactly one admissible action, copied word for word, and with nothing else: no explanation, \
no quotation marks, no number in front of it."""

WITHOUT_ACTIONS = """\
You are an expert agent that operates in a text environment. A planner has given you a subgoal, a \
milestone on the way to the task. Carry it out, one action per step.

At every step you are given the task, the most recent observations and the actions you took, your current \
observation, and the current subgoal together with the number of steps for which you have followed it. \
Before you choose, consider what the environment accepts as an action, what the current observation tells \
you, and whether an action that you have taken already had any effect: do not repeat one that had none.

Answer with exactly one action, on one line, and with nothing else: no explanation, no quotation marks, no \
number in front of it."""
"""Instructions for an environment that does not list its admissible actions."""


def message(chat: Chat, context: TurnContext, actions: Sequence[AdmissibleAction]) -> str:
    parts = [f"Your task is to: {chat.one_line(context.goal)}"]
    if context.history:
        parts.append(
            f"Prior to this step, you have already taken {context.turn} step(s). Below are the most recent "
            f"{len(context.history)} observations and the corresponding actions you took:"
        )
    first = context.turn - len(context.history)
    for step, past in enumerate(context.history, start=max(first, 0) + 1):
        parts.append(f"[Observation {step}: '{chat.clean(past.observation).strip()}'")
        parts.append(f"Action {step}: '{chat.one_line(past.action)}']")
    parts.append(f"You are now at step {context.turn + 1} and your current observation is:")
    parts.append(chat.clean(context.observation).strip())
    if actions:
        listed = "\n".join(f"'{chat.one_line(action.text)}'" for action in actions)
        parts.append(f"Your admissible actions of the current situation are:\n[{listed}]")
    parts.append(
        f"Your current subgoal is: {chat.one_line(context.subgoal)}\n"
        f"You have followed it for {context.subgoal_age} step(s)."
    )
    parts.append("Now it's your turn to take an action.")
    return "\n".join(parts)
