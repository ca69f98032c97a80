"""Small models and adapters for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

from serving.model import ModelFolder, fingerprint

WORDS = 128


def tiny_model(folder: Path, model_type: str = "llama") -> ModelFolder:
    """A model of two layers with random weights."""
    config = AutoConfig.for_model(
        model_type,
        vocab_size=WORDS,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=512,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    model.save_pretrained(folder)
    return ModelFolder(folder, "tiny", fingerprint(folder))


def random_adapter(
    model: ModelFolder,
    folder: Path,
    seed: int,
    rank: int = 4,
    rank_stabilised: bool = False,
    scale: float = 0.05,
) -> PeftModel:
    """Writes an adapter that changes all linear layers; returns the model with it, not merged, in float32.

    The factors' numbers have the standard deviation `scale`.
    """
    base = AutoModelForCausalLM.from_pretrained(model.path, dtype=torch.float32)
    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
        use_rslora=rank_stabilised,
    )
    with_adapter = get_peft_model(base, config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in with_adapter.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
    with_adapter.save_pretrained(folder)
    return with_adapter.eval()


@torch.inference_mode()
def plain_logprobs(
    model: torch.nn.Module, prompt_ids: Sequence[int], token_ids: Sequence[int], temperature: float = 1.0
) -> list[float]:
    """Log-probabilities of an answer from one forward pass over prompt and answer, without any cache."""
    ids = torch.tensor([[*prompt_ids, *token_ids]])
    logits = model(input_ids=ids).logits[0, len(prompt_ids) - 1 : -1].float() / temperature
    return logits.log_softmax(-1).gather(1, ids[0, len(prompt_ids) :, None])[:, 0].tolist()
