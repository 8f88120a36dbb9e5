"""The models that are declared, and those of them that are on the disk."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from resources.model_declaration import MAIN_ROLE, ModelDeclaration, read_declarations
from resources.model_folder import (
    InstalledModel,
    ModelState,
    missing_or_changed,
    read_lock,
)
from studio_pipelines.errors import StudioError

AUTO = "auto"
FIELD = "model"
LicencePolicy = Literal["commercial", "research"]


class UnknownModel(StudioError):
    """No model of this name is declared for the operation."""

    status = 422
    code = "unknown_model"
    advice = (
        "The hint lists those that the operation has; `GET /api/operations` tells which are on "
        "the disk."
    )


class ModelNotInstalled(StudioError):
    """The model is known, and its files are not here, or not whole."""

    status = 422
    code = "model_not_installed"
    advice = (
        "The hint has the command that gets it (`studio models pull`); or choose another one, "
        "or `auto`."
    )


class LicenceRefused(StudioError):
    """The studio's licence policy does not admit the model."""

    status = 422
    code = "licence_refused"
    advice = "Choose another model, or ask the operator about `STUDIO_LICENCE_POLICY`."


@dataclass(frozen=True)
class ModelShelf:
    """Reads what is declared and what is there; never hashes, never fetches.

    Attributes:
        folder: Where models are kept: ``<name>/<version>-<fingerprint>/``. TOML files in it are
            declarations of the user's own.
        declared_in: Folders of the other declarations.
        policy: ``commercial`` admits only models whose licence allows commercial use.
    """

    folder: Path
    declared_in: tuple[Path, ...]
    policy: LicencePolicy = "commercial"

    def declarations(self) -> Mapping[str, ModelDeclaration]:
        """Return all declared models by name.

        Raises:
            InvalidDeclaration: A file of declarations cannot be used.
        """
        return read_declarations((*self.declared_in, self.folder))

    def for_worker(self, worker: str, role: str = MAIN_ROLE) -> list[ModelDeclaration]:
        """Return the models that serve a worker in a role, the highest rank first."""
        serving = [
            one for one in self.declarations().values() if worker in one.serves and one.role == role
        ]
        return sorted(serving, key=lambda one: (-one.rank, one.name))

    def folder_of(self, declaration: ModelDeclaration) -> Path:
        """Return where a model's files are, or would be."""
        key = declaration.fingerprint()[:12]
        version = "".join(c if c.isalnum() or c in "._+" else "-" for c in declaration.version)
        return self.folder / declaration.name / f"{version}-{key}"

    def state(self, declaration: ModelDeclaration) -> ModelState:
        """Return whether a model can be loaded, by its lock and the look of its files."""
        folder = self.folder_of(declaration)
        lock = read_lock(folder)
        if lock is None:
            return ModelState.ABSENT
        if lock.damaged or missing_or_changed(folder, lock):
            return ModelState.DAMAGED
        return ModelState.ON_DISK

    def admits(self, declaration: ModelDeclaration) -> bool:
        """Whether the licence policy lets a model be used."""
        return declaration.commercial_use or self.policy == "research"

    def installed(self, name: str) -> InstalledModel | None:
        """Return a model that is on the disk, whole, or None; whatever the licence policy says."""
        declaration = self.declarations().get(name)
        if declaration is None or self.state(declaration) is not ModelState.ON_DISK:
            return None
        folder = self.folder_of(declaration)
        lock = read_lock(folder)
        return None if lock is None else InstalledModel(declaration, folder, lock)

    def best(self, worker: str, role: str = MAIN_ROLE) -> InstalledModel | None:
        """Return the model of the highest rank that is here and admitted, or None."""
        admitted = (one for one in self.for_worker(worker, role) if self.admits(one))
        found = (self.installed(one.name) for one in admitted)
        return next((one for one in found if one is not None), None)

    def choose(self, worker: str, name: str = AUTO, role: str = MAIN_ROLE) -> InstalledModel:
        """Return the model that a request asks for.

        Args:
            worker: Id of the worker, such as ``audio-demixer``.
            name: A model's name, or ``auto`` for the best that is here.
            role: What it is for, where the worker needs several at a time.

        Raises:
            UnknownModel: No such model is declared for the worker.
            LicenceRefused: The policy does not admit it.
            ModelNotInstalled: It is not here.
        """
        declared = {one.name: one for one in self.for_worker(worker, role)}
        if name == AUTO:
            return self.best(worker, role) or self._none_of(worker, declared)
        if name not in declared:
            raise UnknownModel(
                f"{worker} has no model {name!r}.",
                field=FIELD,
                hint=f"There are: {', '.join([AUTO, *declared])}.",
            )
        self.require_admitted(declared[name])
        found = self.installed(name)
        if found is None:
            raise self._not_installed(declared[name])
        return found

    def require_admitted(self, declaration: ModelDeclaration) -> None:
        """Make sure that the licence policy lets a model be used.

        Raises:
            LicenceRefused: It does not.
        """
        if not self.admits(declaration):
            raise LicenceRefused(
                f"The licence of {declaration.name} ({declaration.licence}) allows no commercial "
                f"use, and this studio's policy is {self.policy!r}.",
                field=FIELD,
                hint="Choose another model; for research, STUDIO_LICENCE_POLICY=research admits "
                "it.",
            )

    def rows(self, worker: str) -> list[dict[str, Any]]:
        """Return what the API tells of a worker's models, in every role."""
        serving = [one for one in self.declarations().values() if worker in one.serves]
        serving.sort(key=lambda one: (one.role != MAIN_ROLE, one.role, -one.rank, one.name))
        return [self._row(one) for one in serving]

    def _row(self, declaration: ModelDeclaration) -> dict[str, Any]:
        lock = read_lock(self.folder_of(declaration))
        return {
            "name": declaration.name,
            "version": declaration.version,
            "role": declaration.role,
            "state": self.state(declaration).value,
            "licence": declaration.licence,
            "commercialUse": declaration.commercial_use,
            "admitted": self.admits(declaration),
            "embedded": declaration.embedded,
            "bytes": lock.size_bytes if lock else declaration.size_bytes or None,
        }

    def _none_of(self, worker: str, declared: Mapping[str, ModelDeclaration]) -> InstalledModel:
        if not declared:
            raise UnknownModel(f"No model is declared for {worker}.", field=FIELD)
        admitted = [one for one in declared.values() if self.admits(one)]
        if not admitted:
            self.require_admitted(next(iter(declared.values())))
        raise self._not_installed(max(admitted, key=lambda one: (one.embedded, one.rank)))

    def _not_installed(self, declaration: ModelDeclaration) -> ModelNotInstalled:
        is_damaged = self.state(declaration) is ModelState.DAMAGED
        fault = "is damaged" if is_damaged else "is not installed"
        return ModelNotInstalled(
            f"The model {declaration.name} {fault}.",
            field=FIELD,
            hint=f"Whoever runs the studio can get it: studio models pull {declaration.name}",
        )
