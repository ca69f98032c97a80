"""The base class of every section of the configuration: frozen, without unknown keys, numbers finite."""

from typing import Annotated, Any

from pydantic import AllowInfNan, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from configuration.keys import takes_path

Bound = Annotated[float, AllowInfNan(True), Field(gt=0)]
"""A limit that may be infinite, which limits nothing."""


class Section(BaseModel):
    """A section of the configuration tree; a field's docstring is its help text."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _paths_are_not_empty(cls, given: Any, info: ValidationInfo) -> Any:
        # An empty path would mean the current folder; it comes from a variable of the shell that is not set.
        items = given if isinstance(given, (list, tuple)) else [given]
        if "" in items and info.field_name and takes_path(cls.model_fields[info.field_name]):
            raise ValueError("accepted is a path that is not empty; `.` is the current folder")
        return given
