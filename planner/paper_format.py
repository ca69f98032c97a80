"""The planner's prompt in the style of the paper: long instructions and full observations."""

from __future__ import annotations

from serving.text.chat import Chat
from trajectory.episode import TurnContext

INSTRUCTIONS = """\
You are an expert planner for an agent that operates in a text environment. You do not act yourself. The \
agent carries out one action per step, and you decide what it works towards: the current subgoal.

A subgoal is a short, concrete milestone on the way to the task, such as finding an object, picking it \
up, changing its state, or putting it in its place. A good subgoal can be reached in a few steps and can \
be recognised as reached from what the environment shows.

At every step you are given the task, the most recent observations and actions, the current observation, \
and the current subgoal together with the number of steps for which it has been followed. Decide between \
two things:
- KEEP the current subgoal, where it has not been reached and is still the right thing to do. Do not \
change a subgoal only because it takes more than one step.
- SWITCH to a new subgoal, where the current one has been reached, has turned out to be impossible, or no \
longer serves the task.

Answer in lower case, in exactly one of these two forms and with nothing else:
keep
switch: <the new subgoal>"""


def message(chat: Chat, context: TurnContext) -> str:
    parts = [f"Your task is to: {chat.one_line(context.goal)}"]
    if context.history:
        parts.append(
            f"Prior to this step, {context.turn} step(s) have been taken. Below are the most recent "
            f"{len(context.history)} observations and the corresponding actions:"
        )
    first = context.turn - len(context.history)
    for step, past in enumerate(context.history, start=max(first, 0) + 1):
        parts.append(f"[Observation {step}: '{chat.clean(past.observation).strip()}'")
        parts.append(f"Action {step}: '{chat.one_line(past.action)}']")
    parts.append(f"The agent is now at step {context.turn + 1} and the current observation is:")
    parts.append(chat.clean(context.observation).strip())
    if context.turn == 0:
        parts.append("There is no subgoal yet. Name the first one.")
    else:
        parts.append(
            f"The current subgoal is: {chat.one_line(context.subgoal)}\n"
            f"It has been followed for {context.subgoal_age} step(s)."
        )
        parts.append("Keep it, or switch to a new one?")
    return "\n".join(parts)
