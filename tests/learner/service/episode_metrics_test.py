"""The metrics of the episodes of an update, in all and by environment."""

from __future__ import annotations

from hiper.v1 import episode_pb2 as pb

from learner.service.episode_metrics import episode_metrics
from run_folder import metric_names as names
from tests.learner.service.episodes import episode
from trajectory.episode import Episode
from trajectory.wire import episode_from_pb


def played(number: int, benchmark: str, **changes: float) -> Episode:
    message: pb.Episode = episode(number)
    message.benchmark = benchmark
    for name, value in changes.items():
        setattr(message, name, value)
    return episode_from_pb(message)


def test_several_environments_have_metrics_of_their_own() -> None:
    episodes = [played(0, "alfworld"), played(1, "webshop", won=False, score=0.5), played(2, "alfworld")]
    line = episode_metrics(episodes, 0)
    assert (line[names.SUCCESS_RATE], line["episode/success_rate/alfworld"]) == (2 / 3, 1.0)
    assert (line["episode/success_rate/webshop"], line["episode/score/mean/webshop"]) == (0.0, 0.5)
    assert (line["episode/count/alfworld"], line["episode/length/mean/webshop"]) == (2.0, 3.0)
    assert line["turn/action_valid_share/webshop"] == 1.0


def test_a_single_environment_has_the_metrics_of_all_only() -> None:
    line = episode_metrics([played(0, "alfworld"), played(1, "alfworld")], 0)
    assert not [name for name in line if name.endswith("alfworld")]
