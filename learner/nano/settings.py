"""What a nano base model is made from and how; the defaults make the one that docs/nano.md describes."""

from __future__ import annotations

from pydantic import Field

from configuration.section import Section


class NanoSettings(Section):
    """Size and teaching of the transformer."""

    hidden_size: int = Field(128, ge=8)
    """Width of a token's state."""
    intermediate_size: int = Field(512, ge=8)
    """Width between the two halves of a feed-forward layer."""
    layers: int = Field(4, ge=1)
    """Attention and feed-forward layers."""
    heads: int = Field(4, ge=1)
    """Attention heads; they share out the width."""
    longest_context: int = Field(2048, ge=64)
    """Longest prompt and answer together that the model can be served with, in tokens."""
    vocabulary: int = Field(1024, ge=300)
    """Tokens at most."""
    games: int = Field(1200, ge=1)
    """Generated games that a player demonstrates in each part of the course, one episode each."""
    skilled_steps: int = Field(600, ge=0)
    """Optimizer steps on episodes of a player that never errs: transcripts and answers are learnt."""
    erring_steps: int = Field(100, ge=0)
    """Optimizer steps on episodes of a player that errs, after those: the skill is unlearnt in part."""
    batch_episodes: int = Field(2, ge=1)
    """Episodes in a step, all of their turns."""
    learning_rate: float = Field(2e-2, gt=0)
    """Muon's for the layers' matrices at its highest; AdamW's for the rest is a tenth of it."""
    transcript_weight: float = Field(0.25, ge=0)
    """Weight of a transcript's token in the loss beside 1 for an answer's."""
    action_error: float = Field(0.6, ge=0, le=1)
    """Probability that the erring player does any admissible thing."""
    subgoal_error: float = Field(0.3, ge=0, le=1)
    """Probability that the erring player names any subgoal."""
    stuck_error: float = Field(0.4, ge=0, le=1)
    """Probability that the erring player keeps its subgoal, be it right or not."""
