"""What the learner refuses to store, and that it says where the fault lies."""

import math

import pytest

from tests.learner.service.episodes import episode
from trajectory.validation import EpisodeError, check
from trajectory.wire import episode_from_pb, episode_to_pb


def test_a_whole_episode_passes_and_survives_the_wire_both_ways():
    message = episode()
    check(message)
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
        (_short_logprobs, "turn 1: plan: 2 logprobs for 3 token_ids"),
    ],
)
def test_what_is_wrong_is_named_with_its_turn_and_field(change, words):
    message = episode()
    change(message)
    with pytest.raises(EpisodeError) as refused:
        check(message)
    assert words in str(refused.value)
