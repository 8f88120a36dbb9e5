"""The lease that a job asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from resources.model_cache import ModelKey


@dataclass(frozen=True, eq=False)
class Wish:
    """The lease that a job asks for.

    Attributes:
        working_mib: What it needs beside its models.
        weights_mib: What its models take, by key; those that are loaded already cost nothing.
        priority: 0 (lowest) to 9.
    """

    working_mib: float
    weights_mib: Mapping[ModelKey, float] = field(default_factory=dict)
    priority: int = 5


class LeaseHeld(RuntimeError):
    """A job asked for a second lease; two that did so could wait for each other for ever."""
