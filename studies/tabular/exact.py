"""Values and policy gradients by dynamic programming, without sampling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hae.arrays import Floats
from studies.tabular.task import Policies, Task


@dataclass(frozen=True, eq=False)
class Values:
    """The exact value functions; after turn H - 1 all are 0."""

    low: Floats
    """[H, S, G] V_low, before the action, without the turn's keep penalty."""
    high: Floats
    """[H, S] V_high, before a subgoal is written."""
    switch: Floats
    """[H, S, G] V_switch, before the decision, with the current subgoal."""
    action: Floats
    """[H, S, G, A] Q, after the action is chosen."""


@dataclass(frozen=True, eq=False)
class Gradient:
    """The gradient of the expected return with respect to the free logits of each kind of choice."""

    decision: Floats
    subgoal: Floats
    action: Floats


def exact_values(task: Task, policies: Policies, gamma: float, keep_penalty: float) -> Values:
    """Computes the values backwards from the horizon; w is the probability of SWITCH, p the keep penalty.

    Q(t,s,g,a)    = r(s,a) + gamma * sum_s' P(s'|s,a) * V_switch(t+1,s',g)
    V_low(t,s,g)  = sum_a pi(a|s,g) * Q(t,s,g,a)
    V_high(t,s)   = sum_g pi(g|s) * V_low(t,s,g)
    V_switch      = (1 - w) * (V_low + p) + w * V_high
    """
    tables: tuple[list[Floats], ...] = ([], [], [], [])
    after = np.zeros((task.states, task.places))
    for _ in range(task.horizon):
        q = task.reward[:, None, :] + gamma * np.einsum("sax,xg->sga", task.transition, after)
        v_low = (policies.action * q).sum(axis=2)
        v_high = (policies.subgoal * v_low).sum(axis=1)
        after = (1 - policies.decision) * (v_low + keep_penalty) + policies.decision * v_high[:, None]
        for table, level in zip(tables, (v_low, v_high, after, q), strict=True):
            table.append(level)
    return Values(*(np.stack(table[::-1]) for table in tables))


def exact_gradient(
    task: Task, policies: Policies, gamma: float, keep_penalty: float, *, discount_turns: bool = True
) -> Gradient:
    """The exact policy gradient, by the policy gradient theorem: a sum over turns, states and choices.

    The term of a choice at turn t is the probability of its state, times gamma^t, times the derivative of the
    choice's probability, times its advantage. Without `discount_turns`, the factor gamma^t is left out, as in
    nearly all implementations.
    """
    values = exact_values(task, policies, gamma, keep_penalty)
    switch_gain = policies.decision * (1 - policies.decision)
    gradient = Gradient(
        np.zeros_like(policies.decision),
        np.zeros_like(policies.subgoal[..., :-1]),
        np.zeros_like(policies.action[..., :-1]),
    )
    held = np.zeros((task.states, task.places))
    begins = np.zeros(task.states)
    begins[0] = 1.0
    for t in range(task.horizon):
        weight = gamma**t if discount_turns else 1.0
        v_low, v_high = values.low[t], values.high[t][:, None]
        gradient.decision[:] += weight * held * switch_gain * (v_high - v_low - keep_penalty)
        begins = begins + (held * policies.decision).sum(axis=1)
        chosen = begins[:, None] * policies.subgoal
        gradient.subgoal[:] += weight * (chosen * (v_low - v_high))[:, :-1]
        acting = held * (1 - policies.decision) + chosen
        taken = acting[:, :, None] * policies.action
        gradient.action[:] += weight * (taken * (values.action[t] - v_low[:, :, None]))[:, :, :-1]
        held = np.einsum("sga,sax->xg", taken, task.transition)
        begins = np.zeros(task.states)
    return gradient


def expected_return(task: Task, policies: Policies, gamma: float, keep_penalty: float) -> float:
    """The expected return of an episode, J; it starts at place 0, with a new subgoal."""
    return float(exact_values(task, policies, gamma, keep_penalty).high[0, 0])
