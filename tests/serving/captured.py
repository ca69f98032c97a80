"""A capture that needs no GPU: what a function computes is recorded as a graph, and the graph is replayed."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.fx.experimental.proxy_tensor import make_fx

from serving.embedded.decoding import Compute


def traced(compute: Compute, inputs: torch.Tensor) -> Callable[[], torch.Tensor]:
    """Implements `Capture`, with the same conditions as a CUDA graph.

    Everything except for `inputs` is baked in with its address, and a function that needs a number from a
    tensor, for which a GPU would have to be waited for, is refused.
    """
    graph = make_fx(compute)(inputs)
    return lambda: graph(inputs)
