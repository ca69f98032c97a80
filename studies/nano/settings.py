"""Settings of a nano base model; the defaults make the one that docs/nano.md describes."""

from __future__ import annotations

from pydantic import Field

from configuration.section import Section


class NanoSettings(Section):
    """Size and training of the transformer."""

    hidden_size: int = Field(192, ge=8)
    """Width of a token's state."""
    intermediate_size: int = Field(768, ge=8)
    """Width between the two halves of a feed-forward layer."""
    layers: int = Field(2, ge=1)
    """Number of layers, each with attention and feed-forward part."""
    heads: int = Field(6, ge=1)
    """Number of attention heads, which divide the width between them."""
    longest_context: int = Field(2048, ge=64)
    """Largest context length that the model can be served with: prompt and answer together, in tokens."""
    vocabulary: int = Field(1024, ge=300)
    """Largest number of tokens in the vocabulary."""
    look_back_heads: int = Field(4, ge=0, le=4)
    """Number of heads in the first layer that look back by 1, 2, 3 and 6 tokens from the first step on."""
    batch_episodes: int = Field(4, ge=1)
    """Number of episodes per optimizer step, each with all its turns."""
    learning_rate: float = Field(2e-2, gt=0)
    """Highest learning rate of Muon, for the layers' matrices; AdamW's, for the rest, is 0.4 times that."""
    transcript_weight: float = Field(0.25, ge=0)
    """Weight of a transcript's token in the loss, where an answer's token has weight 1."""
    skilled_games: int = Field(2000, ge=1)
    """Number of generated games in the first part of the training, one episode each."""
    skilled_steps: int = Field(1000, ge=0)
    """Number of optimizer steps that teach transcripts and right answers."""
    distraction: float = Field(0.1, ge=0, le=1)
    """Probability, in the first part, of playing any admissible action instead of the one that is taught."""
    refusal: float = Field(0.05, ge=0, le=1)
    """Probability, in the first part, of playing an impossible action instead of the one that is taught."""
    step_subgoals: bool = False
    """Whether every subgoal is a single step, such as `find a mug` or `go to the microwave`: four to eight
    for a task instead of two to four."""
    erring_games: int = Field(400, ge=1)
    """Number of generated games in the second part."""
    erring_steps: int = Field(60, ge=0)
    """Number of optimizer steps that teach the turns of a player with errors, and undo part of the skill."""
    erring_rate: float = Field(0.2, gt=0)
    """Factor of the learning rates in the second part, relative to the first."""
    action_error: float = Field(0.4, ge=0, le=1)
    """Probability, in the second part, that the player takes any admissible action."""
    subgoal_error: float = Field(0.2, ge=0, le=1)
    """Probability, in the second part, that the player names any subgoal."""
    stuck_error: float = Field(0.2, ge=0, le=1)
    """Probability, in the second part, that the player keeps its subgoal, whether it is right or not."""
