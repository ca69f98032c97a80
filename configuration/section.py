"""The base class of every section of the configuration: frozen, without unknown keys, numbers finite."""

from typing import Annotated

from pydantic import AllowInfNan, BaseModel, ConfigDict, Field

Bound = Annotated[float, AllowInfNan(True), Field(gt=0)]
"""A limit that may be infinite, which limits nothing."""


class Section(BaseModel):
    """A section of the configuration tree; a field's docstring is its help text."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)
