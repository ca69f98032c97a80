"""The Tower of Hanoi, in the environment that verifiers has for games of TextArena; needs textarena too."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import textarena
import verifiers.v1 as vf
from verifiers.v1.tasksets.textarena import TextArenaData, TextArenaEnv, TextArenaTask

__all__ = ["HanoiTaskset", "TextArenaEnv"]

GAME = "TowerOfHanoi-v0"


class HanoiTaskset(vf.Taskset[TextArenaTask, vf.TasksetConfig]):
    INFINITE = True

    def load(self) -> Iterator[TextArenaTask]:
        game = textarena.make(env_id=GAME)
        game.reset(num_players=1)
        prompt = str(game.get_observation()[1])
        for number in itertools.count():
            yield TextArenaTask(
                TextArenaData(prompt=prompt, info={"game": GAME, "seed": number}), self.config.task
            )
