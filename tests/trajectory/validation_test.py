"""What the learner refuses to store, and that it says where the fault lies."""

import math

import pytest

from tests.learner.service.episodes import episode
from trajectory.validation import EpisodeError, check
from trajectory.wire import episode_from_pb, episode_to_pb

VOCABULARY = 100


def test_a_whole_episode_passes_and_survives_the_wire_both_ways():
    message = episode()
    check(message, VOCABULARY)
    assert episode_to_pb(episode_from_pb(message)) == message


def _without_turn_1(message):
    del message.turns[1]


def _without_turns(message):
    del message.turns[:]


def _set(path, value):
    def change(message):
        *fields, last = path.split(".")
        for field in fields:
            message = message.turns[1] if field == "turn1" else getattr(message, field)
        setattr(message, last, value)

    return change


def _nan_logprob(message):
    message.turns[1].act.logprobs[2] = math.nan


def _short_logprobs(message):
    del message.turns[1].plan.logprobs[0]


def _tokens(path, token):
    def change(message):
        generation, field = path.split(".")
        getattr(getattr(message.turns[1], generation), field)[1] = token

    return change


def _final_prompt(message):
    message.final_executor_prompt_ids[:] = [100]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_without_turn_1, "turn 1 is missing"),
        (_without_turns, "at least one"),
        (_set("truncated", True), "exactly one of terminated and truncated"),
        (_set("score", 1.5), "score: 1.5 is not in [0, 1]"),
        (_set("key.task_id", ""), "task_id must not be empty"),
        (_set("turn1.reward", math.inf), "turn 1: reward: inf is not finite"),
        (_set("turn1.decision", 0), "turn 1: decision"),
        (_set("turn1.subgoal_span.end", 4), "turn 1: subgoal_span: [1, 4) is not within 3 tokens"),
        (_nan_logprob, "turn 1: act: logprobs[2]"),
        (
            _tokens("plan.token_ids", 100),
            "turn 1: plan: token_ids[1]: the base model has no token 100; 0 to 99",
        ),
        (
            _tokens("act.prompt_ids", 2**31),
            "turn 1: act: prompt_ids[1]: the base model has no token 2147483648",
        ),
        (_final_prompt, "final_executor_prompt_ids[0]: the base model has no token 100"),
        (_set("turn1.plan.temperature", math.nan), "turn 1: plan: temperature: nan is not finite"),
        (
            _set("turn1.act.temperature", 1e-38),
            "turn 1: act: temperature: 1e-38 is not accepted; 0.01 to 100 is",
        ),
        (_set("turn1.act.temperature", -1.0), "turn 1: act: temperature: -1 is not accepted"),
        (_set("turn1.reward", 3e38), "turn 1: reward: 3e+38 is not accepted; -1e+06 to 1e+06 is"),
        (_set("turn1.seconds", math.nan), "turn 1: seconds: nan is not finite"),
        (_set("turn1.environment_seconds", -1.0), "turn 1: environment_seconds: -1 is not accepted"),
        (_set("turn1.plan.engine_seconds", math.inf), "turn 1: plan: engine_seconds: inf is not finite"),
        (_set("seconds", math.nan), "seconds: nan is not finite"),
        (_short_logprobs, "turn 1: plan: 2 logprobs for 3 token_ids"),
    ],
)
def test_what_is_wrong_is_named_with_its_turn_and_field(change, words):
    message = episode()
    change(message)
    with pytest.raises(EpisodeError) as refused:
        check(message, VOCABULARY)
    assert words in str(refused.value)
