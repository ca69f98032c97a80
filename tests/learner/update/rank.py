"""What a rank of ranks_test does: `rank.py FOLDER BASE STAGE…`, two updates with each ZeRO stage.

The stage `sharded` is stage 0 with the blocks of the base model divided among the ranks.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

from configuration.learner import LearnerSettings, PpoSettings
from learner.service.leading import LeadingTrainer, follow
from learner.service.run_parts import Update
from learner.update.ranks import CommandChannel, Ranks, join
from learner.update.trainer import Trainer, TrainerSettings
from run_folder.store import EpisodeStore
from serving.adapters.pair import AdapterPair
from serving.model import ModelFolder, fingerprint
from tests.learner import tiny

SHARDED = "sharded"


def trainer_settings(**learner: object) -> TrainerSettings:
    """Several packs a minibatch, several minibatches: some have packs of one rank only."""
    ppo = PpoSettings(
        learning_rate=1e-2, epochs=2, minibatches=3, importance_band=(1e-9, 1e9), kl_coefficient=0.1
    )
    made = tiny.settings(ppo)
    settings = {**made.learner.model_dump(), **learner}
    return TrainerSettings(LearnerSettings(**settings), ppo, made.critic, made.lora, made.estimator)


def lead(trainer: LeadingTrainer, folder: Path) -> Update:
    """An update, a checkpoint that another trainer could go on from, and one more update from there."""
    episodes = EpisodeStore(folder / "episodes.sqlite").load(range(4))
    trainer.load_reference(AdapterPair(folder / "start", folder / "start"))
    trainer.update(episodes, lambda share, message: None)
    trainer.save_checkpoint(folder / "1", range(4))
    trainer.load_checkpoint(folder / "1")
    trainer.remember(0, episodes)
    return trainer.update(episodes, lambda share, message: None)


def train(ranks: Ranks, folder: Path, base: ModelFolder, stage: str, says_end: bool) -> None:
    how = {"shard_base": True, "gradient_checkpointing": True} if stage == SHARDED else {"zero_stage": stage}
    settings = trainer_settings(ranks=ranks.count, **how)
    trainer, channel = Trainer(settings, base, 0, ranks), CommandChannel(ranks)
    if ranks.leads:
        leading = LeadingTrainer(trainer, channel)
        metrics = lead(leading, folder).metrics
        leading.save_checkpoint(folder / f"stage {stage}", range(4))
        torch.save(metrics, folder / f"metrics {stage}")
        if says_end:
            channel.close()
    else:
        follow(trainer, channel, lambda: EpisodeStore(folder / "episodes.sqlite"))


def main(folder: Path, base: Path, stages: list[str]) -> None:
    ranks = join(int(os.environ["WORLD_SIZE"]))
    model = ModelFolder(base, "tiny", fingerprint(base))
    for stage in stages:
        # After the last stage rank 0 ends without a word, as a server that is stopped does.
        train(ranks, folder, model, stage, says_end=stage != stages[-1])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
