"""The models that an op may load, as a Dagster resource."""

from pathlib import Path

import dagster as dg

from resources.model_declaration import MAIN_ROLE
from resources.model_folder import InstalledModel
from resources.model_shelf import AUTO, LicencePolicy, ModelShelf


class ModelStore(dg.ConfigurableResource):
    """Gives ops the files of the models that are installed.

    Attributes:
        folder: Where models are kept.
        declared_in: Folders of the declarations.
        licence_policy: ``commercial`` or ``research``.
    """

    folder: str
    declared_in: list[str]
    licence_policy: str = "commercial"

    @property
    def shelf(self) -> ModelShelf:
        """What it reads from."""
        policy: LicencePolicy = "research" if self.licence_policy == "research" else "commercial"
        declared_in = tuple(Path(one) for one in self.declared_in)
        return ModelShelf(Path(self.folder), declared_in, policy)

    def choose(self, worker: str, name: str = AUTO, role: str = MAIN_ROLE) -> InstalledModel:
        """Return the model that a request asks for; see :meth:`ModelShelf.choose`."""
        return self.shelf.choose(worker, name, role)

    def best(self, worker: str, role: str = MAIN_ROLE) -> InstalledModel | None:
        """Return the installed model of the highest rank, or None; see :meth:`ModelShelf.best`."""
        return self.shelf.best(worker, role)

    def installed(self, name: str) -> InstalledModel | None:
        """Return a model if it is here, whole; see :meth:`ModelShelf.installed`."""
        return self.shelf.installed(name)
