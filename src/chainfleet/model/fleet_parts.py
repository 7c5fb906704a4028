"""What all parts of a fleet are made of: their base, and the kinds of values that several of them hold."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, StringConstraints

NAME_PATTERN = r"^[a-z][a-z0-9-]{0,38}[a-z0-9]$"
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Address = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{40}$")]
REFERENCE_PATTERN = r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}$"
SecretReference = Annotated[str, StringConstraints(pattern=REFERENCE_PATTERN)]
"""`${NAME}`: an environment variable that is read at the moment of use and kept nowhere else."""


def measured(unit: str) -> Any:
    """Say a number's unit in the schema, for the reference and for editors."""
    return Field(json_schema_extra={"x-unit": unit})


Seconds = Annotated[PositiveInt, measured("s")]
FineSeconds = Annotated[PositiveFloat, measured("s")]
Port = Annotated[int, Field(ge=1, le=65535)]


class Part(BaseModel):
    """Base of every part of a fleet: frozen, unknown keys refused; a field's docstring is its description in the schema."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        use_attribute_docstrings=True,
        # YAML has words for infinity and for what is no number.
        allow_inf_nan=False,
    )
