"""Conversion of numpy arrays, lists, and torch tensors on any device to read-only numpy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


def to_numpy(values: Any) -> npt.NDArray[Any]:
    """`values` as an array; float tensors of torch become float64, since numpy has no bfloat16."""
    if hasattr(values, "detach"):
        tensor = values.detach().cpu()
        values = (tensor.double() if tensor.is_floating_point() else tensor).numpy()
    return np.asarray(values)


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A read-only view of the array; the array itself stays writable for the caller."""
    view = array.view()
    view.flags.writeable = False
    return view
