"""What a nano base model is made from and how; the defaults make the one that docs/nano.md describes."""

from __future__ import annotations

from pydantic import Field

from configuration.section import Section


class NanoSettings(Section):
    """Size and teaching of the transformer."""

    hidden_size: int = Field(192, ge=8)
    """Width of a token's state."""
    intermediate_size: int = Field(768, ge=8)
    """Width between the two halves of a feed-forward layer."""
    layers: int = Field(2, ge=1)
    """Attention and feed-forward layers."""
    heads: int = Field(6, ge=1)
    """Attention heads; they share out the width."""
    longest_context: int = Field(2048, ge=64)
    """Longest prompt and answer together that the model can be served with, in tokens."""
    vocabulary: int = Field(1024, ge=300)
    """Tokens at most."""
    look_back_heads: int = Field(4, ge=0, le=4)
    """Heads of the first layer that look back by 1, 2, 3 and 6 tokens from the first step on."""
    batch_episodes: int = Field(4, ge=1)
    """Episodes in a step, all of their turns."""
    learning_rate: float = Field(2e-2, gt=0)
    """Muon's for the layers' matrices at its highest; AdamW's for the rest is 0.4 times that."""
    transcript_weight: float = Field(0.25, ge=0)
    """Weight of a transcript's token in the loss beside 1 for an answer's."""
    skilled_games: int = Field(2000, ge=1)
    """Generated games of the first part of the course, one episode each."""
    skilled_steps: int = Field(1000, ge=0)
    """Optimizer steps in which transcripts and right answers are learnt."""
    distraction: float = Field(0.1, ge=0, le=1)
    """Probability in this part that any admissible thing is done in place of the answer that is taught."""
    refusal: float = Field(0.05, ge=0, le=1)
    """Probability in this part that something impossible is done in place of the answer that is taught."""
    erring_games: int = Field(400, ge=1)
    """Generated games of the second part."""
    erring_steps: int = Field(60, ge=0)
    """Optimizer steps on what a player does that errs: the skill is unlearnt in part."""
    erring_rate: float = Field(0.2, gt=0)
    """Learning rates of the second part over those of the first."""
    action_error: float = Field(0.4, ge=0, le=1)
    """Probability that the erring player does any admissible thing."""
    subgoal_error: float = Field(0.2, ge=0, le=1)
    """Probability that the erring player names any subgoal."""
    stuck_error: float = Field(0.2, ge=0, le=1)
    """Probability that the erring player keeps its subgoal, be it right or not."""
