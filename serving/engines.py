"""Makes the engine that the settings ask for; an engine's packages are imported only if it is chosen."""

from __future__ import annotations

from configuration.servers import ModelServerSettings
from core.errors import PreconditionError
from core.imports import collection_paused
from serving.engine import Engine, SleepableEngine
from serving.model import ModelFolder
from serving.sleep import SleepingEngine


def make_engine(model: ModelFolder, settings: ModelServerSettings) -> Engine:
    """An engine that has not been started; a `SleepingEngine` if the settings let it sleep.

    Raises:
        PreconditionError: the engine's packages are not installed, or there is no GPU although the settings
            need one; says which.
    """
    engine = _vllm(model, settings) if settings.engine == "vllm" else _embedded(model, settings)
    return SleepingEngine(engine) if settings.sleep_while_updating else engine


def _embedded(model: ModelFolder, settings: ModelServerSettings) -> SleepableEngine:
    with collection_paused():
        import torch

        from serving.embedded.decoding import CudaGraphs
        from serving.embedded.engine import EmbeddedEngine

    if settings.cuda_graphs and not torch.cuda.is_available():
        raise PreconditionError("cuda_graphs = true needs an NVIDIA GPU, and PyTorch finds none")
    return EmbeddedEngine(
        model,
        dtype=settings.dtype,
        threads=settings.threads,
        context_length=settings.context_length,
        max_batch=settings.max_batch,
        kept_tokens=settings.kept_tokens,
        max_queue=settings.max_queue,
        stuck_seconds=settings.stuck_seconds,
        capture=CudaGraphs() if settings.cuda_graphs else None,
    )


def _vllm(model: ModelFolder, settings: ModelServerSettings) -> SleepableEngine:
    try:
        from serving.vllm_engine import VllmEngine
    except ImportError as error:
        raise PreconditionError(
            f"engine = vllm needs the package vllm, which the GPU lock has: set HIPER_REQUIREMENTS=gpu "
            f"({error})"
        ) from error
    return VllmEngine(model, settings)
