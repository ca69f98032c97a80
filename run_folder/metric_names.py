"""Names of the metrics that an update writes: verl's where the meaning is the same.

Whoever writes or reads a metric takes its name from here. A part of the update (an actor, the critic) gives
its measures short names, under which they stand behind the part's own: `actor/planner/entropy`.
"""

from __future__ import annotations

from core.role import Role

ADAPTER_VERSION = "adapter/version"
"""Version that the update made: the step of all other metrics of its line."""

EPISODE_COUNT = "episode/count"
"""Episodes that the update trained on; 0 for an update that was skipped, whose line has no means."""
SET_ASIDE = "episode/set_aside"
"""Episodes of the batch that could not be trained on; the learner's log and the store say why."""
SUCCESS_RATE = "episode/success_rate"
SCORE_MEAN = "episode/score/mean"
SCORE_HALF_INTERVAL = "episode/score/half_interval"
"""Half the width of the score's normal 95 % interval."""
EPISODE_LENGTH = "episode/length/mean"
"""Turns of an episode."""
EPISODE_SWITCHES = "episode/switches/mean"
"""Subgoals begun in an episode, the given one of turn 0 included."""
TRUNCATED_SHARE = "episode/truncated_share"
EPISODE_SECONDS = "episode/seconds/mean"
ENGINE_SHARE = "episode/engine_share"
"""Share of the episodes' time; with the next two it adds up to 1."""
ENVIRONMENT_SHARE = "episode/environment_share"
RPC_SHARE = "episode/rpc_share"

TURN_COUNT = "turn/count"
PLAN_VALID_SHARE = "turn/plan_valid_share"
ACTION_VALID_SHARE = "turn/action_valid_share"
TURN_SECONDS = "turn/seconds/mean"
TURN_RPC_SHARE = "perf/rpc_share"
"""Share of the turns' time alone."""

PROMPT_TOKENS = "tokens/prompt"
GENERATED_TOKENS = "tokens/generated"
PLAN_TOKENS = "tokens/plan/mean"
ACT_TOKENS = "tokens/act/mean"
STALENESS_MEAN = "staleness/versions/mean"
STALENESS_MAX = "staleness/versions/max"

TIME_STEP = "timing_s/step"
"""Seconds of everything since the line before; the following five add up to it."""
TIME_START = "timing_s/start"
TIME_GATHER = "timing_s/gather"
TIME_UPDATE = "timing_s/update"
TIME_CHECKPOINT = "timing_s/checkpoint"
TIME_PUSH = "timing_s/push"
TIME_VALUES = "timing_s/values"
"""Part of the update, as are the following."""
TIME_ADVANTAGES = "timing_s/advantages"
TIME_UPDATE_CRITIC = "timing_s/update_critic"

UPDATE_TOKENS_PER_SECOND = "perf/update_tokens_per_second"
SHARED_TOKENS_SHARE = "perf/shared_tokens_share"
"""Share of the update's tokens that were not computed, because prompts share their prefix."""

LOSS = "loss"
"""Measure of a part of the update, as are the following."""
POLICY_LOSS = "policy_loss"
CLIP_FRACTION = "clip_fraction"
IMPORTANCE_MASKED_SHARE = "importance_masked_share"
IMPORTANCE_TRUNCATED_SHARE = "importance_truncated_share"
KL_TO_REFERENCE = "kl_to_reference"
KL_SAMPLER = "kl_sampler"
KL_UPDATE = "kl_update"
SAMPLER_DIFFERENCE = "sampler_difference"
ENTROPY = "entropy"
GRADIENT_NORM = "gradient_norm"
SKIPPED_STEPS = "skipped_steps"
LEARNING_RATE = "lr"
TOKENS = "tokens"
SEQUENCE_TOKENS = "sequence_tokens"
COMPUTED_TOKENS = "computed_tokens"
SECONDS = "seconds"
"""Measure that becomes a `timing_s/` metric."""


def actor(role: Role, measure: str) -> str:
    """A measure of the update of this role's policy."""
    return f"actor/{role.value}/{measure}"


def critic(measure: str) -> str:
    """A measure of the critic's update."""
    return f"critic/{measure}"


def of_all_parts(measure: str) -> tuple[str, ...]:
    """A measure that both actors and the critic have."""
    return (*(actor(role, measure) for role in Role), critic(measure))


def time_update(role: Role) -> str:
    return f"timing_s/update_{role.value}"


def value_mean(head: str) -> str:
    """Measure of the critic's head `low`, `high` or `switch`, as are the next two."""
    return f"values/{head}/mean"


def target_mean(head: str) -> str:
    return f"targets/{head}/mean"


def explained_variance(head: str) -> str:
    return f"explained_variance/{head}"


def advantage_mean(level: str) -> str:
    """`level` is `low`, `high` or `switch`."""
    return f"hae/advantage_{level}/mean"


def advantage_std(level: str) -> str:
    """Standard deviation of the advantages of a level."""
    return f"hae/advantage_{level}/std"
