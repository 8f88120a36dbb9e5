"""Which model estimates the depth of a request, and what it is loaded by."""

from collections.abc import Set
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from resources.lease import Lease
from resources.model_cache import ModelSource
from resources.model_declaration import MAIN_ROLE
from resources.model_folder import InstalledModel
from resources.model_shelf import ModelShelf
from studio_pipelines.errors import InvalidParameter
from studio_pipelines.estimating.parameters import DepthEstimate
from studio_pipelines.media.interruptible import run_interruptibly
from studio_pipelines.model_choice import ChosenModel, ModelIdentity
from studio_pipelines.models.depth_engines import METRIC_ROLE
from studio_pipelines.models.matting_roles import SUBJECT_ROLE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from studio_pipelines.media.depth_network import DepthNetwork, NetworkDepth

WORKER = "depth-estimator"
PRIOR_WEIGHT = "prior_weight"
"""The option of a declaration that says how much the ramp and the subject count."""


@dataclass(frozen=True)
class Estimator:
    """The models of a request.

    Attributes:
        installed: The depth model.
        subject: The network that finds the subject for the prior, or None without one.
        is_metric: Whether depth is to be told in metres.
    """

    installed: InstalledModel
    subject: InstalledModel | None
    is_metric: bool

    @property
    def identity(self) -> ModelIdentity:
        """As the answer names it."""
        return ModelIdentity.of(self.installed)

    @property
    def prior_weight(self) -> float:
        """How much the prior counts where the network counts 1."""
        return float(self.installed.declaration.options.get(PRIOR_WEIGHT, 0.0))

    @cached_property
    def source(self) -> ModelSource:
        """How to load the depth model."""
        return ModelSource.of(self.installed, partial(_load, self.installed))

    @cached_property
    def subject_source(self) -> ModelSource | None:
        """How to load the network that finds the subject."""
        if self.subject is None:
            return None
        return ModelSource.of(self.subject, partial(_load, self.subject))

    @property
    def sources(self) -> tuple[ModelSource, ...]:
        """What to lease."""
        return tuple(one for one in (self.source, self.subject_source) if one is not None)

    def sight(self, lease: Lease) -> "Sight":
        """Return what a picture is looked at with, under a lease."""
        return Sight(self, lease)


@dataclass(frozen=True)
class Sight:
    """The models of a request, leased."""

    estimator: Estimator
    lease: Lease

    @property
    def network(self) -> "DepthNetwork":
        """The depth model, loaded."""
        return self.lease.model(self.estimator.source)

    def look(self, codes: "NDArray[Any]", side_px: int | None) -> "NetworkDepth":
        """Estimate the depth of sRGB code values, (height, width, 3)."""
        network = self.network
        side = side_px or network.usual_side_px
        return run_interruptibly(lambda: network.estimate(codes, side), stop=network.stop)

    def subject_in(self, codes: "NDArray[Any]") -> "NDArray[Any] | None":
        """Return how surely each pixel is the subject, at the network's size, or None without."""
        import cv2
        import numpy as np

        source = self.estimator.subject_source
        if source is None:
            return None
        network = self.lease.model(source)
        size = (network.side_px, network.side_px)
        seen: Any = cv2.resize(codes, size, interpolation=cv2.INTER_AREA)
        values = seen.astype(np.float32) / 255
        return run_interruptibly(lambda: network.find(values), stop=network.stop)


def choose_estimator(shelf: ModelShelf, params: DepthEstimate) -> Estimator:
    """Return what a request asks for.

    Raises:
        UnknownModel: No such model is declared.
        LicenceRefused: The policy does not admit it.
        ModelNotInstalled: It is not here.
        InvalidParameter: Metres are asked of a model that does not tell them.
    """
    names = {
        role: {one.name for one in shelf.for_worker(WORKER, role)}
        for role in (MAIN_ROLE, METRIC_ROLE)
    }
    if params.mode == "metric" and params.model in names[MAIN_ROLE]:
        raise InvalidParameter(
            f"{params.model} tells relative depth, and mode is metric.",
            field="mode",
            hint=f"There are for metres: {', '.join(sorted(names[METRIC_ROLE]))}.",
        )
    tells_metres = params.mode == "metric" or params.model in names[METRIC_ROLE]
    found = shelf.choose(WORKER, params.model, METRIC_ROLE if tells_metres else MAIN_ROLE)
    has_prior = bool(found.declaration.options.get(PRIOR_WEIGHT))
    subject = shelf.best(WORKER, SUBJECT_ROLE) if has_prior else None
    return Estimator(found, subject, tells_metres and params.mode != "relative")


def chosen_models(
    params: DepthEstimate, _given: Set[str], shelf: ModelShelf
) -> tuple[ChosenModel, ...]:
    """Return the models that a request runs, the depth model first.

    Raises:
        StudioError: As :func:`choose_estimator`.
    """
    found = choose_estimator(shelf, params)
    models = (found.installed, found.subject)
    return tuple(ChosenModel.of(one) for one in models if one is not None)


def _load(installed: InstalledModel, device: str, _precision: str) -> Any:
    said = installed.declaration
    if said.role == SUBJECT_ROLE:
        from studio_pipelines.models.matting import load_subject_network

        return load_subject_network(installed.folder, said.engine, said.options)
    from studio_pipelines.models.depth_engines import load_depth_network

    return load_depth_network(said.engine, installed.folder, device)
