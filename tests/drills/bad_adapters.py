"""Pushes of real PEFT folders to a planner, and each way in which one can be bad."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import grpc
import torch
from hiper.v1 import adapter_pb2 as pb
from hiper.v1 import adapter_pb2_grpc as pb_grpc
from safetensors.torch import load, save

from serving.adapters.folder import CONFIG_FILE, WEIGHTS_FILE

_SECONDS = 30.0
Code = grpc.StatusCode


@dataclass(frozen=True)
class Push:
    """A push as it is sent: what the header says, and the bytes that follow."""

    run_id: str
    version: int
    base_model: str
    config: bytes
    weights: bytes
    role: int = pb.ROLE_PLANNER
    announced: bytes | None = None
    """The weights that header and hash speak of, where others arrive."""
    epoch: int = 0

    @classmethod
    def of(cls, folder: Path, run_id: str, version: int, base_model: str, epoch: int = 0) -> Push:
        config, weights = ((folder / name).read_bytes() for name in (CONFIG_FILE, WEIGHTS_FILE))
        return cls(run_id, version, base_model, config, weights, epoch=epoch)

    async def send(self, channel: grpc.aio.Channel) -> pb.PushResponse:
        weights = self.weights if self.announced is None else self.announced
        header = pb.AdapterHeader(
            run_id=self.run_id,
            role=self.role,
            version=self.version,
            epoch=self.epoch,
            base_model=self.base_model,
            config_json=self.config,
            weights_size=len(weights),
            sha256=hashlib.sha256(self.config + weights).digest(),
        )
        parts = [pb.PushRequest(header=header), pb.PushRequest(chunk=self.weights)]
        response: pb.PushResponse = await pb_grpc.AdapterServiceStub(channel).Push(
            iter(parts), timeout=_SECONDS
        )
        return response

    def with_tensors(self, change: Callable[[dict[str, torch.Tensor]], None]) -> Push:
        tensors = load(self.weights)
        change(tensors)
        return replace(self, weights=save(tensors))

    def with_config(self, **fields: object) -> Push:
        return replace(self, config=json.dumps({**json.loads(self.config), **fields}).encode())


@dataclass(frozen=True)
class Fault:
    """A way to be bad, and the refusal that it must get."""

    spoil: Callable[[Push, Random], Push]
    code: grpc.StatusCode
    words: str
    """Part of the message."""


def _flipped(content: bytes, draw: Random) -> bytes:
    place = draw.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << draw.randrange(8)]) + content[place + 1 :]


def _with_value(value: float) -> Callable[[Push, Random], Push]:
    def spoil(push: Push, draw: Random) -> Push:
        def change(tensors: dict[str, torch.Tensor]) -> None:
            tensor = tensors[draw.choice(sorted(tensors))]
            tensor.view(-1)[draw.randrange(tensor.numel())] = value

        return push.with_tensors(change)

    return spoil


def _overflowing(push: Push, draw: Random) -> Push:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        a = draw.choice(sorted(name for name in tensors if ".lora_A." in name))
        for name in (a, a.replace(".lora_A.", ".lora_B.")):
            tensors[name].fill_(1e25)

    return push.with_tensors(change)


def _overflowing_model(push: Push, draw: Random) -> Push:
    value = 10 ** draw.uniform(10, 12)

    def change(tensors: dict[str, torch.Tensor]) -> None:
        for name, tensor in tensors.items():
            if "q_proj" in name or "k_proj" in name:
                tensor.fill_(value)

    return push.with_tensors(change)


def _narrower(push: Push, draw: Random) -> Push:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        name = draw.choice(sorted(tensors))
        rows, columns = tensors[name].shape
        rank_first = ".lora_A." in name
        smaller = tensors[name][: rows - rank_first, : columns - (not rank_first)]
        tensors[name] = smaller.contiguous()

    return push.with_tensors(change)


def _wider_base(push: Push, draw: Random) -> Push:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        name = draw.choice(sorted(tensors))
        along = 1 if ".lora_A." in name else 0
        tensors[name] = torch.cat([tensors[name], tensors[name]], along)

    return push.with_tensors(change)


def _cut(content: bytes, draw: Random) -> bytes:
    return content[: draw.randrange(1, len(content))]


FAULTS: Mapping[str, Fault] = {
    "corrupt on its way": Fault(
        lambda push, draw: replace(push, weights=_flipped(push.weights, draw), announced=push.weights),
        Code.DATA_LOSS,
        "sha256 of what has arrived is",
    ),
    "corrupt before it was hashed": Fault(
        lambda push, draw: replace(push, weights=draw.randbytes(64) + push.weights[64:]),
        Code.INVALID_ARGUMENT,
        "is not a safetensors file",
    ),
    "cut on its way": Fault(
        lambda push, draw: replace(push, weights=_cut(push.weights, draw), announced=push.weights),
        Code.DATA_LOSS,
        "bytes have arrived",
    ),
    "cut before it was hashed": Fault(
        lambda push, draw: replace(push, weights=_cut(push.weights, draw)),
        Code.INVALID_ARGUMENT,
        "is not a safetensors file",
    ),
    "NaN": Fault(_with_value(float("nan")), Code.INVALID_ARGUMENT, "not finite"),
    "infinite": Fault(_with_value(float("-inf")), Code.INVALID_ARGUMENT, "not finite"),
    "finite factors, infinite product": Fault(_overflowing, Code.INVALID_ARGUMENT, "finite in"),
    "finite weights, infinite activations": Fault(
        _overflowing_model, Code.INVALID_ARGUMENT, "logits with it are not"
    ),
    "tensor of another rank": Fault(_narrower, Code.INVALID_ARGUMENT, "fits the base model"),
    "rank above the limit": Fault(
        lambda push, draw: push.with_config(r=draw.randint(65, 10_000)),
        Code.INVALID_ARGUMENT,
        "max_lora_rank",
    ),
    "not plain LoRA": Fault(
        lambda push, _: push.with_config(use_dora=True),
        Code.INVALID_ARGUMENT,
        "use_dora = True is not supported",
    ),
    "fingerprint of another base": Fault(
        lambda push, draw: replace(push, base_model=draw.randbytes(8).hex()),
        Code.FAILED_PRECONDITION,
        "header.base_model",
    ),
    "shapes of another base": Fault(_wider_base, Code.INVALID_ARGUMENT, "fits the base model"),
    "role": Fault(
        lambda push, _: replace(push, role=pb.ROLE_EXECUTOR),
        Code.FAILED_PRECONDITION,
        "header.role: executor; this server is the planner",
    ),
    "older version": Fault(
        lambda push, _: replace(push, version=0), Code.FAILED_PRECONDITION, "is older than"
    ),
    "the served version with other bytes": Fault(
        lambda push, draw: _with_value(draw.random())(replace(push, version=push.version - 1), draw),
        Code.ALREADY_EXISTS,
        "with another hash",
    ),
}
"""Of a push of the version after the one that is served, which is at least 3, with three versions kept."""

ALWAYS_BAD: Sequence[str] = [name for name in FAULTS if "version" not in name]
"""Faults of which it does not matter what is served."""
