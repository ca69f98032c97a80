"""From what trainers hold (numpy arrays, lists, torch tensors on any device) to read-only numpy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


def to_numpy(values: Any) -> npt.NDArray[Any]:
    """`values` as an array; a torch tensor is detached, and a float one widened, as numpy has no bfloat16."""
    if hasattr(values, "detach"):
        tensor = values.detach().cpu()
        values = (tensor.double() if tensor.is_floating_point() else tensor).numpy()
    return np.asarray(values)


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A view that cannot be written through; the caller's own array stays writable."""
    view = array.view()
    view.flags.writeable = False
    return view
