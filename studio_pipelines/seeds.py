"""The seed of an operation in which there is chance."""

import secrets
from typing import Annotated, Final, Literal

from pydantic import Field

_SEEDS: Final = 2**31

Seed = Annotated[int, Field(ge=0, lt=_SEEDS)] | Literal["random"]
"""As a request gives it."""


def drawn(seed: Seed) -> int:
    """Return the seed itself, or one drawn by chance."""
    return secrets.randbelow(_SEEDS) if seed == "random" else seed
