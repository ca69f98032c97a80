"""One base model in memory that serves as planner, executor and reference, and that the critic reads."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.helpers import disable_input_dtype_casting
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast

from configuration.learner import LoraSettings, Quantization
from core.errors import InvalidInputError
from learner.update import attention
from learner.update.checkpointing import checkpoint_blocks
from learner.update.packing import Pack
from learner.update.quantization import keep_differentiable, nf4
from learner.update.ranks import ALONE, Ranks
from learner.update.sharding import shard_blocks

PLANNER, EXECUTOR = "planner", "executor"
ADAPTERS = (PLANNER, EXECUTOR)
_FROZEN = {PLANNER: "plan_reference", EXECUTOR: "act_reference"}
"""Names of the frozen reference adapters. PEFT finds an adapter's weights by substring, so that no adapter's
name may contain another's; `planner_reference` would."""

_FEATURE_DEPTHS = (0.5, 1.0)
"""Blocks after which hidden states are taken as features, as shares of the number of blocks. The last states
are about the next token; those in the middle say more about the text as a whole."""


@dataclass(frozen=True, eq=False)
class AnswerScores:
    """Scores of the R answer tokens of a pack, in the pack's order."""

    logprobs: Tensor
    """[R] natural logarithm of each token's probability at its temperature, float32."""
    entropy: Tensor
    """[R] entropy of the distribution that predicts each token, in nats, float32."""


class AdaptedModel:
    """A frozen base model with one LoRA adapter per role, in float32 whatever format the base computes in.

    At first the adapters change nothing. Finish the backward pass of one adapter before calling with another:
    switching adapters also switches which parameters require a gradient.
    """

    def __init__(
        self,
        folder: Path,
        lora: LoraSettings,
        dtype: torch.dtype,
        device: torch.device,
        seed: int,
        in_one_call: bool | None = None,
        checkpointed: bool = False,
        shards: Ranks = ALONE,
        quantization: Quantization = "none",
    ) -> None:
        """Loads the base model.

        Args:
            folder: Folder of the base model.
            lora: Shape of the adapters.
            dtype: Number format that the base computes in.
            device: Where it computes.
            seed: Seed of the adapters' first weights.
            in_one_call: Attention of a whole pack at once, not branch by branch; None: only on a GPU.
            checkpointed: Whether the forward pass keeps only the inputs of the blocks, and the backward pass
                computes the rest again (arXiv 1604.06174).
            shards: Ranks that divide the blocks of the base among them; needs `checkpointed`.
            quantization: Format of the base model's linear layers; one that is not `none` needs a whole base.

        Raises:
            InvalidInputError: the adapters do not fit the model.
            ConfigurationError: the quantisation needs a package that is not installed.
        """
        self.in_step = shards.count > 1
        """Whether all ranks must compute equally many packs, because they gather blocks together."""
        base = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            attn_implementation=attention.NAME,
            # The device need not hold the whole base if it is divided.
            device_map="cpu" if self.in_step else device,
            quantization_config=nf4(dtype) if quantization == "nf4" else None,
        ).eval()
        config = lora_config(base, lora)
        self.device = device
        self._dtype = dtype
        self._in_one_call = device.type == "cuda" if in_one_call is None else in_one_call
        if quantization == "nf4":
            keep_differentiable(base)
        self._backbone = base.get_decoder()
        if self.in_step:
            base.requires_grad_(False)
            shard_blocks(self._backbone.layers, shards, device)
            base.to(device)
        self._head = base.get_output_embeddings().weight.detach().float()
        self.peft = _with_adapters(base, config, seed)
        if checkpointed:
            checkpoint_blocks(self._backbone.layers, casts=dtype is torch.float32)
        layers = int(base.config.num_hidden_layers)
        self._feature_layers = sorted({math.ceil(share * layers) for share in _FEATURE_DEPTHS})

    @property
    def hidden_size(self) -> int:
        return int(self._head.shape[1])

    def add_reference(self, adapter: str) -> str:
        """Adds a frozen adapter of the same shape as `adapter`, if there is none yet; returns its name."""
        name = _FROZEN[adapter]
        if name not in self.peft.peft_config:
            # Its random first weights, soon replaced, must not shift the random numbers of anything else.
            with torch.random.fork_rng():
                self.peft.add_adapter(name, self.peft.peft_config[adapter])
        return name

    def parameters_of(self, adapter: str) -> dict[str, nn.Parameter]:
        """The adapter's matrices by name; every adapter has the same names."""
        mark = f".{adapter}."
        return {
            name.replace(mark, "."): parameter
            for name, parameter in self.peft.named_parameters()
            if mark in name and "lora_" in name
        }

    def hidden_states(self, pack: Pack, adapter: str | None) -> Tensor:
        """[N, hidden size] last hidden states of the pack's rows; adapter None means the base model alone."""
        states = self._outputs(pack, adapter).last_hidden_state
        assert states is not None
        return states[0]

    def _outputs(
        self, pack: Pack, adapter: str | None, output_hidden_states: bool = False
    ) -> BaseModelOutputWithPast:
        # Made anew at each call: the masks of all packs of an update together would not fit into memory.
        bias = pack.bias(self._dtype) if self._in_one_call else None
        with self._switched_to(adapter):
            output: BaseModelOutputWithPast = self._backbone(
                input_ids=pack.token_ids[None],
                position_ids=pack.positions[None],
                use_cache=False,
                output_hidden_states=output_hidden_states,
                pack=pack,
                bias=bias,
            )
        return output

    def features(self, pack: Pack, adapter: str | None) -> Tensor:
        """[S, feature size] hidden states at each prompt's last token, after several blocks, side by side;
        adapter None means the base model alone."""
        outputs = self._outputs(pack, adapter, output_hidden_states=True).hidden_states
        assert outputs is not None
        return torch.cat(
            [outputs[layer][0, pack.prompt_ends].float() for layer in self._feature_layers], dim=1
        )

    @property
    def feature_size(self) -> int:
        """Length of a row of `features`."""
        return len(self._feature_layers) * self.hidden_size

    def answer_scores(
        self, pack: Pack, adapter: str | None, temperatures: Tensor, entropy_gradient: bool = False
    ) -> AnswerScores:
        """Log-probabilities and entropies of the answers' tokens.

        Args:
            pack: Pack with R answer tokens; the head is computed only for these.
            adapter: Name of the adapter; None for the base model alone.
            temperatures: [R] temperature of each token, by which its logits are divided.
            entropy_gradient: Whether the entropies are differentiated too.
        """
        hidden = self.hidden_states(pack, adapter)[pack.predicting].float()
        # Dividing the hidden states gives the same as dividing the logits, which are far larger.
        logits = nn.functional.linear(hidden / temperatures[:, None], self._head)
        normalizer = logits.logsumexp(-1)
        logprobs = logits.gather(-1, pack.targets[:, None])[:, 0] - normalizer
        # A gradient of the entropy would keep one more tensor of the size of the logits in memory.
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
                # PEFT would convert each layer's large input to the adapter's float32; autocast converts the
                # adapter's small matrices to the base's format instead.
                stack.enter_context(disable_input_dtype_casting(self.peft))
                stack.enter_context(torch.autocast(self.device.type, self._dtype))
            yield


def lora_config(base: PreTrainedModel, lora: LoraSettings) -> LoraConfig:
    """The adapters' shape as PEFT's configuration; `InvalidInputError` if it does not fit the base model."""
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        target_modules=list(lora.targets),
        layers_to_transform=_adapted_layers(base, lora),
        task_type="CAUSAL_LM",
    )


def _adapted_layers(base: PreTrainedModel, lora: LoraSettings) -> list[int] | None:
    """Numbers of the blocks that get an adapter, None for all; `InvalidInputError` if they do not exist."""
    if "sliding_attention" in (getattr(base.config, "layer_types", None) or ()):
        raise InvalidInputError("this model uses sliding-window attention, which the learner does not have")
    linear = {
        name.rpartition(".")[2] for name, module in base.named_modules() if isinstance(module, nn.Linear)
    }
    if unknown := sorted(set(lora.targets) - linear):
        raise InvalidInputError(
            f"lora.targets: {unknown} are not linear layers of this model, which are {sorted(linear)}"
        )
    layers = int(base.config.num_hidden_layers)
    if lora.last_layers is None or lora.last_layers >= layers:
        return None
    return list(range(layers - lora.last_layers, layers))


def _with_adapters(base: PreTrainedModel, config: LoraConfig, seed: int) -> PeftModel:
    base.requires_grad_(False)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        peft = get_peft_model(base, config, adapter_name=ADAPTERS[0])
        for adapter in ADAPTERS[1:]:
            peft.add_adapter(adapter, config)
    return peft
