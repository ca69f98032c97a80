"""Trainers for the learner's process, alone or as one of several ranks.

Importing this module imports PyTorch, which takes seconds.
"""

from __future__ import annotations

from configuration.tree import Configuration
from learner.service.leading import LeadingTrainer, follow
from learner.update.ranks import ALONE, CommandChannel, Ranks
from learner.update.trainer import Trainer, TrainerSettings
from run_folder.folder import RunFolder
from run_folder.store import EpisodeStore
from serving.model import ModelFolder, resolve_model


def make_trainer(
    configuration: Configuration, model: ModelFolder, ranks: Ranks = ALONE
) -> Trainer | LeadingTrainer:
    """The trainer of rank 0, which leads the others if there are any."""
    trainer = _own(configuration, model, ranks)
    return LeadingTrainer(trainer, CommandChannel(ranks)) if ranks.count > 1 else trainer


def follow_rank_0(configuration: Configuration, ranks: Ranks, folder: RunFolder) -> None:
    """What another rank than the first does until that one ends; the run is in `folder`."""
    trainer = _own(configuration, resolve_model(configuration.learner.model), ranks)
    follow(trainer, CommandChannel(ranks), lambda: EpisodeStore.reading(folder.episodes))


def _own(configuration: Configuration, model: ModelFolder, ranks: Ranks) -> Trainer:
    return Trainer(TrainerSettings.of(configuration), model, configuration.run.seed, ranks)
