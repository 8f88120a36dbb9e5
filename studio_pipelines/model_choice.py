"""Which models a request would run: told before there is a job, for quotes and the result cache."""

from collections.abc import Set
from dataclasses import dataclass
from typing import Any

from resources.model_folder import InstalledModel
from resources.model_shelf import AUTO, ModelShelf


@dataclass(frozen=True)
class ModelIdentity:
    """What did the work, as the answer names it."""

    name: str
    version: str
    licence: str
    source: str

    @classmethod
    def of(cls, model: InstalledModel) -> "ModelIdentity":
        """Name a model that was pulled."""
        said = model.declaration
        return cls(said.name, said.version, said.licence, said.public_source)


@dataclass(frozen=True)
class ChosenModel:
    """A model that a job would run.

    Attributes:
        identity: As the job's answer will name it.
        sha256: Hash of its weights, or None where it has none.
    """

    identity: ModelIdentity
    sha256: str | None = None

    @classmethod
    def of(cls, model: InstalledModel) -> "ChosenModel":
        """Choose a model that was pulled."""
        return cls(ModelIdentity.of(model), model.sha256)

    def describe(self) -> dict[str, str | None]:
        """Return what recipes and quotes tell of it."""
        return {**self.identity.__dict__, "sha256": self.sha256}


def usual_models(
    worker: str, parameters: Any, _given: Set[str], shelf: ModelShelf
) -> tuple[ChosenModel, ...]:
    """Return the models of an operation that does not say which ones it chooses.

    The first is what its ``model`` names, or the best that is here. All others of its worker
    follow, as they may play a part: a new one among them makes another recipe, and costs no more
    than a job that is done again.
    """
    name = getattr(parameters, "model", AUTO)
    main = shelf.best(worker) if name == AUTO else shelf.installed(name)
    serving = [one for one in shelf.declarations().values() if worker in one.serves]
    installed = (shelf.installed(one.name) for one in serving if shelf.admits(one))
    others = [one for one in installed if one and (main is None or one.name != main.name)]
    others.sort(key=lambda one: one.name)
    return tuple(ChosenModel.of(one) for one in ([main] if main else []) + others)
