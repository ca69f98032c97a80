"""Names of all metrics of an update; they are verl's names if the meaning is the same.

The parts of an update are the two policies (verl's actors) and the critic. Each part reports its measures
under short names; the metric's full name begins with that of the part, such as `actor/planner/entropy`.
"""

from __future__ import annotations

from core.role import Role

ADAPTER_VERSION = "adapter/version"
"""Version that the update made; it is the step of all metrics in the same line."""

EPISODE_COUNT = "episode/count"
"""Episodes that the update trained on; 0 for an update that was skipped, whose line has no means."""
SET_ASIDE = "episode/set_aside"
"""Episodes of the batch that could not be trained on, or whose environment broke its contract; the learner's
log and the store say why."""
SUCCESS_RATE = "episode/success_rate"
SCORE_MEAN = "episode/score/mean"
EPISODE_LENGTH = "episode/length/mean"
"""Mean number of turns of an episode."""
EPISODE_SWITCHES = "episode/switches/mean"
"""Mean number of subgoals of an episode, including the first one of turn 0."""
TRUNCATED_SHARE = "episode/truncated_share"
EPISODE_SECONDS = "episode/seconds/mean"
ENGINE_SHARE = "episode/engine_share"
"""Share of the episodes' time that the engines took; this and the next two add up to 1."""
ENVIRONMENT_SHARE = "episode/environment_share"
RPC_SHARE = "episode/rpc_share"

TURN_COUNT = "turn/count"
PLAN_VALID_SHARE = "turn/plan_valid_share"
ACTION_VALID_SHARE = "turn/action_valid_share"
TURN_SECONDS = "turn/seconds/mean"
TURN_RPC_SHARE = "perf/rpc_share"
"""Share of the turns' time (without resets) that is neither engine nor environment."""

PROMPT_TOKENS = "tokens/prompt"
GENERATED_TOKENS = "tokens/generated"
PLAN_TOKENS = "tokens/plan/mean"
ACT_TOKENS = "tokens/act/mean"
STALENESS_MEAN = "staleness/versions/mean"
STALENESS_MAX = "staleness/versions/max"

TIME_STEP = "timing_s/step"
"""Seconds since the previous line of metrics; the next five add up to it."""
TIME_START = "timing_s/start"
TIME_GATHER = "timing_s/gather"
TIME_UPDATE = "timing_s/update"
TIME_CHECKPOINT = "timing_s/checkpoint"
TIME_PUSH = "timing_s/push"
TIME_VALUES = "timing_s/values"
"""Seconds of a part of the update, as are the next two and `time_update`."""
TIME_ADVANTAGES = "timing_s/advantages"
TIME_UPDATE_CRITIC = "timing_s/update_critic"

UPDATE_TOKENS_PER_SECOND = "perf/update_tokens_per_second"
SHARED_TOKENS_SHARE = "perf/shared_tokens_share"
"""Share of the update's tokens that did not have to be computed, because prompts share prefixes."""

LOSS = "loss"
"""Measure of a part of the update, as are all below."""
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
WEAK_HEADS = "weak_heads"
"""Number of value heads that explain little, although the estimator relies on them."""
EPOCHS = "epochs"
"""Mean number of epochs after which the critic's weights were kept, over the fits of the update."""
SECONDS = "seconds"
"""Measure that is reported as a `timing_s/` metric."""


OF_ENVIRONMENT = (EPISODE_COUNT, SUCCESS_RATE, SCORE_MEAN, EPISODE_LENGTH, ACTION_VALID_SHARE)
"""Metrics that an update on several environments also has for each of them."""


def of_environment(metric: str, name: str) -> str:
    """Name of one of the metrics `OF_ENVIRONMENT`, of the episodes of this environment alone."""
    return f"{metric}/{name}"


def actor(role: Role, measure: str) -> str:
    """Name of a measure of this role's policy."""
    return f"actor/{role.value}/{measure}"


def critic(measure: str) -> str:
    """Name of a measure of the critic."""
    return f"critic/{measure}"


def of_all_parts(measure: str) -> tuple[str, ...]:
    """Names of a measure that both policies and the critic have."""
    return (*(actor(role, measure) for role in Role), critic(measure))


def time_update(role: Role) -> str:
    """Name of the seconds in which this role's policy was updated."""
    return f"timing_s/update_{role.value}"


def value_mean(head: str) -> str:
    """Measure of the critic: mean value of its head `low`, `high` or `switch`."""
    return f"values/{head}/mean"


def target_mean(head: str) -> str:
    """Measure of the critic: mean target of a head."""
    return f"targets/{head}/mean"


def explained_variance(head: str) -> str:
    """Measure of the critic: share of the targets' variance that a head explains, with the values that the
    advantages were computed from: those of an episode are from heads that have not seen its returns."""
    return f"explained_variance/{head}"


def explained_before(head: str) -> str:
    """Measure of the critic: the same for the heads before they have seen any episode of the batch."""
    return f"explained_variance_before/{head}"


def advantage_mean(level: str) -> str:
    """Name of the mean advantage of a level: `low`, `high` or `switch`."""
    return f"hae/advantage_{level}/mean"


def advantage_std(level: str) -> str:
    """Name of the standard deviation of a level's advantages."""
    return f"hae/advantage_{level}/std"
