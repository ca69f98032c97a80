"""One base model in memory that is planner, executor, critic and reference, by the adapter that is on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.helpers import disable_input_dtype_casting
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from configuration.learner import LoraSettings
from core.errors import InvalidInputError
from learner.update import attention
from learner.update.packing import Pack

PLANNER, EXECUTOR, CRITIC = "planner", "executor", "critic"
ADAPTERS = (PLANNER, EXECUTOR, CRITIC)
_FROZEN = {PLANNER: "plan_reference", EXECUTOR: "act_reference"}
"""PEFT finds an adapter's weights by substring: none of these names may contain one of the others."""


@dataclass(frozen=True, eq=False)
class AnswerScores:
    """Of each of the R answer tokens of a pack, in the pack's order."""

    logprobs: Tensor
    """[R] float32, natural logarithm, temperature applied."""
    entropy: Tensor
    """[R] float32, in nats, of the distribution that the token was drawn from."""


class AdaptedModel:
    """A frozen base model with one LoRA adapter a role, in float32 whatever the base computes in.

    Adapters start such that they change nothing. Finish the backward pass of one adapter before the next
    call with another: switching adapters switches which parameters require a gradient.
    """

    def __init__(
        self,
        folder: Path,
        lora: LoraSettings,
        dtype: torch.dtype,
        device: torch.device,
        seed: int,
        in_one_call: bool | None = None,
    ) -> None:
        """`in_one_call`: attention of a pack at once, not branch by branch; None is what the device likes."""
        base = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, attn_implementation=attention.NAME, device_map=device
        ).eval()
        config = lora_config(base, lora)
        self.device = device
        self._dtype = dtype
        self._in_one_call = device.type == "cuda" if in_one_call is None else in_one_call
        self._backbone = base.get_decoder()
        self._head = base.get_output_embeddings().weight.detach().float()
        self.peft = _with_adapters(base, config, seed)

    @property
    def hidden_size(self) -> int:
        return int(self._head.shape[1])

    def add_reference(self, adapter: str) -> str:
        """Name of a second adapter of the shape of `adapter`, which never requires a gradient."""
        name = _FROZEN[adapter]
        if name not in self.peft.peft_config:
            with torch.random.fork_rng():
                self.peft.add_adapter(name, self.peft.peft_config[adapter])
        return name

    def parameters_of(self, adapter: str) -> dict[str, nn.Parameter]:
        """The adapter's matrices by name, the same names for every adapter."""
        mark = f".{adapter}."
        return {
            name.replace(mark, "."): parameter
            for name, parameter in self.peft.named_parameters()
            if mark in name and "lora_" in name
        }

    def hidden_states(self, pack: Pack, adapter: str | None) -> Tensor:
        """[N, hidden size] last hidden states of the pack's rows; `None` is the base model alone."""
        # Made anew each time: of all packs of an update together, masks would not fit.
        bias = pack.bias(self._dtype) if self._in_one_call else None
        with self._switched_to(adapter):
            output = self._backbone(
                input_ids=pack.token_ids[None],
                position_ids=pack.positions[None],
                use_cache=False,
                pack=pack,
                bias=bias,
            )
        return output.last_hidden_state[0]

    def answer_scores(
        self, pack: Pack, adapter: str | None, temperatures: Tensor, entropy_gradient: bool = False
    ) -> AnswerScores:
        """Log-probabilities and entropies of the answers' tokens.

        Args:
            pack: R answer tokens; the head is computed for them only.
            adapter: `None` is the base model alone.
            temperatures: [R] that logits are divided by.
            entropy_gradient: Whether the entropies are to be differentiated, too.
        """
        hidden = self.hidden_states(pack, adapter)[pack.predicting].float()
        logits = nn.functional.linear(hidden / temperatures[:, None], self._head)
        normalizer = logits.logsumexp(-1)
        logprobs = logits.gather(-1, pack.targets[:, None])[:, 0] - normalizer
        with torch.set_grad_enabled(torch.is_grad_enabled() and entropy_gradient):
            entropy = normalizer - (logits.softmax(-1) * logits).sum(-1)
        return AnswerScores(logprobs, entropy)

    @contextmanager
    def _switched_to(self, adapter: str | None) -> Iterator[None]:
        with ExitStack() as stack:
            if adapter is None:
                stack.enter_context(self.peft.disable_adapter())
            else:
                self.peft.set_adapter(adapter, inference_mode=adapter not in ADAPTERS)
            if self._dtype is not torch.float32:
                # PEFT alone would widen each layer's input to float32; autocast narrows the small matrices.
                stack.enter_context(disable_input_dtype_casting(self.peft))
                stack.enter_context(torch.autocast(self.device.type, self._dtype))
            yield


def lora_config(base: PreTrainedModel, lora: LoraSettings) -> LoraConfig:
    """The adapters' shape in PEFT's words; `InvalidInputError` where it does not fit the base model."""
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        target_modules=list(lora.targets),
        layers_to_transform=_adapted_layers(base, lora),
        task_type="CAUSAL_LM",
    )


def _adapted_layers(base: PreTrainedModel, lora: LoraSettings) -> list[int] | None:
    """Numbers of the blocks that get an adapter, None for all; `InvalidInputError` where it does not fit."""
    if "sliding_attention" in (getattr(base.config, "layer_types", None) or ()):
        raise InvalidInputError("the learner has no sliding-window attention, which this model uses")
    linear = {
        name.rpartition(".")[2] for name, module in base.named_modules() if isinstance(module, nn.Linear)
    }
    if unknown := sorted(set(lora.targets) - linear):
        raise InvalidInputError(f"lora.targets {unknown}: this model's linear layers are {sorted(linear)}")
    layers = int(base.config.num_hidden_layers)
    if lora.last_layers is None:
        return None
    if lora.last_layers > layers:
        raise InvalidInputError(f"lora.last_layers = {lora.last_layers}: this model has {layers} layers")
    return list(range(layers - lora.last_layers, layers))


def _with_adapters(base: PreTrainedModel, config: LoraConfig, seed: int) -> PeftModel:
    base.requires_grad_(False)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        peft = get_peft_model(base, config, adapter_name=ADAPTERS[0])
        for adapter in ADAPTERS[1:]:
            peft.add_adapter(adapter, config)
    return peft
