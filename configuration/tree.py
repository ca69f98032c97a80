"""The whole configuration as one typed tree; imports neither torch nor gRPC."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from configuration.environment import EnvironmentSettings
from configuration.learner import (
    CriticSettings,
    ImitationSettings,
    LearnerSettings,
    LoraSettings,
    PpoSettings,
)
from configuration.run import OrchestratorSettings, PoolSettings, RunSettings
from configuration.section import Section
from configuration.servers import ModelServerSettings, PlannerSettings
from core.role import Role
from hae.settings import EstimatorSettings


class Configuration(Section):
    """All settings of a run; saved in its folder as they were used."""

    run: RunSettings = RunSettings()
    environment: EnvironmentSettings = EnvironmentSettings()
    planner: PlannerSettings = PlannerSettings()
    executor: ModelServerSettings = ModelServerSettings()
    orchestrator: OrchestratorSettings = OrchestratorSettings()
    pool: PoolSettings = PoolSettings()
    learner: LearnerSettings = LearnerSettings()
    estimator: EstimatorSettings = EstimatorSettings()
    lora: LoraSettings = LoraSettings()
    ppo: PpoSettings = PpoSettings()
    critic: CriticSettings = CriticSettings()
    imitation: ImitationSettings = ImitationSettings()

    def model_server(self, role: Role) -> ModelServerSettings:
        """The section of a role."""
        return self.planner if role is Role.PLANNER else self.executor

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        models = {
            "planner": self.planner.model,
            "executor": self.executor.model,
            "learner": self.learner.model,
        }
        if len(set(models.values())) > 1:
            named = ", ".join(f"{section}.model = {model!r}" for section, model in models.items())
            raise ValueError(
                f"the learner trains both adapters on one base model, but {named}; --model sets all three"
            )
        if not self.planner.hierarchy and self.estimator.keep_penalty.mode != "none":
            raise ValueError(
                "planner.hierarchy = false: nothing decides to keep a subgoal, so nothing can be penalised "
                "for it; estimator.keep_penalty.mode = none is needed"
            )
        sleepers = [role.value for role in Role if self.model_server(role).sleep_while_updating]
        if sleepers and self.learner.max_lag:
            raise ValueError(
                f"{sleepers[0]}.sleep_while_updating = true: with learner.max_lag = {self.learner.max_lag}, "
                "episodes are played during updates, and no server can sleep; learner.max_lag = 0 is needed"
            )
        if self.learner.episodes_per_update % self.learner.group_size:
            raise ValueError(
                f"learner.episodes_per_update = {self.learner.episodes_per_update} is not a multiple of "
                f"learner.group_size = {self.learner.group_size}"
            )
        return self
