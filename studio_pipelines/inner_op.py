"""An op that only chains use: it has no route and no worker of its own."""

from collections.abc import Callable, Set
from dataclasses import dataclass

import dagster as dg

from resources.model_shelf import ModelShelf
from studio_pipelines.model_choice import ChosenModel, ModelIdentity
from studio_pipelines.operation import Parameters


@dataclass(frozen=True, eq=False)
class InnerOp:
    """The declaration of such an op.

    Attributes:
        op: The Dagster op; its name is its file's name.
        parameters: The pydantic model of its parameters.
        model: What does the work, as its results name it; it has no weights.
        version: Raised when the same input and parameters give another result.
        preload: As an operation's.
        warm_up: As an operation's.
    """

    op: dg.OpDefinition
    parameters: type[Parameters]
    model: ModelIdentity | None = None
    version: str = "1"
    preload: Callable[[], None] | None = None
    warm_up: Callable[[], None] | None = None

    @property
    def name(self) -> str:
        """Name of the op."""
        return self.op.name

    def models_for(
        self, _parameters: Parameters, _given: Set[str], _shelf: ModelShelf
    ) -> tuple[ChosenModel, ...]:
        """Return what does the work, as an operation tells it."""
        return (ChosenModel(self.model),) if self.model else ()
