"""Which model finds the subject of a request, and what it finds."""

from collections.abc import Set
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from resources.lease import Lease
from resources.model_cache import ModelSource, Precision
from resources.model_folder import InstalledModel
from resources.model_shelf import AUTO, ModelShelf
from studio_pipelines.compositing.cutting import Means
from studio_pipelines.compositing.parameters import FAST, FAST_MODEL, VfxComposite
from studio_pipelines.errors import InvalidParameter
from studio_pipelines.media.interruptible import run_interruptibly
from studio_pipelines.model_choice import ChosenModel, ModelIdentity
from studio_pipelines.models.matting_roles import SUBJECT_ROLE, TRIMAP_ROLE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from studio_pipelines.media.layer import Layer

WORKER = "vfx-compositor"
BUILTIN = ModelIdentity("studio-composite", "1", "Apache-2.0", "builtin")
TELLING = frozenset(("mask", "trimap"))
"""The inputs that tell where the subject is, in a network's place."""


@dataclass(frozen=True)
class SubjectFinder:
    """What finds the subject, and its edges.

    Attributes:
        identity: As the answer names it.
        subject: The network that finds the subject, or None where the request itself tells.
        edges: The network that finds alpha in a trimap, or None for closed-form matting.
    """

    identity: ModelIdentity
    subject: ModelSource | None = None
    edges: ModelSource | None = None

    @property
    def sources(self) -> tuple[ModelSource, ...]:
        """What to lease."""
        return tuple(one for one in (self.subject, self.edges) if one is not None)

    def means(self, lease: Lease) -> Means:
        """Return what a subject is found and cut out with, under a lease."""
        from studio_pipelines.media.closed_form import solve_closed_form

        solve = solve_closed_form if self.edges is None else partial(_solve, lease, self.edges)
        return Means(partial(self._find, lease), solve, solves_by_network=self.edges is not None)

    def _find(self, lease: Lease, layer: "Layer") -> "NDArray[Any]":
        from studio_pipelines.media.sampled_codes import shrunk_codes
        from studio_pipelines.models.matting import SubjectNetwork

        assert self.subject is not None
        network: SubjectNetwork = lease.model(self.subject)
        codes = shrunk_codes(layer.picture.with_pixels(layer.codes), network.side_px)
        return run_interruptibly(lambda: network.find(codes), stop=network.stop)


def choose_finder(models: ModelShelf, params: VfxComposite, *, is_needed: bool) -> SubjectFinder:
    """Return what a request asks for.

    Args:
        models: What is installed.
        params: ``model`` is ``auto``, ``fast`` or a model's name.
        is_needed: Whether the subject has yet to be found.

    Raises:
        UnknownModel: No such model is declared.
        LicenceRefused: The policy does not admit it.
        ModelNotInstalled: It is not here.
        InvalidParameter: It is for trimaps, and another way of refining is asked for.
    """
    edges, subject = _networks(models, params, is_needed=is_needed)
    main = edges or subject
    identity = BUILTIN if main is None else ModelIdentity.of(main)
    return SubjectFinder(identity, _source(subject), _source(edges))


def chosen_models(
    params: VfxComposite, given: Set[str], shelf: ModelShelf
) -> tuple[ChosenModel, ...]:
    """Return the models of a request, the one that its answer names first.

    Whether a foreground has transparency of its own, and needs no network, shows only when it is
    decoded: until then it is taken to have none.

    Raises:
        StudioError: As :func:`choose_finder`.
    """
    networks = _networks(shelf, params, is_needed=given.isdisjoint(TELLING))
    chosen = tuple(ChosenModel.of(one) for one in networks if one is not None)
    return chosen or (ChosenModel(BUILTIN),)


def _networks(
    models: ModelShelf, params: VfxComposite, *, is_needed: bool
) -> tuple[InstalledModel | None, InstalledModel | None]:
    """Return the network for trimaps that is asked for, and the one that finds the subject."""
    edges = _edges(models, params.model)
    if edges is not None and params.refine not in (None, "closedForm"):
        raise InvalidParameter(
            f"{params.model} refines the matte in the place of closedForm; refine is "
            f"{params.refine}.",
            field="refine",
            hint="Leave refine out, or take another model.",
        )
    if not is_needed:
        return edges, None
    return edges, _subject(models, params.model if edges is None else AUTO)


def _edges(models: ModelShelf, name: str) -> InstalledModel | None:
    """Return the network for trimaps that is asked for by its name."""
    declared = models.for_worker(WORKER, TRIMAP_ROLE)
    if name not in {one.name for one in declared}:
        return None
    return models.choose(WORKER, name, TRIMAP_ROLE)


def _subject(models: ModelShelf, name: str) -> InstalledModel:
    return models.choose(WORKER, FAST_MODEL if name == FAST else name, SUBJECT_ROLE)


def _source(installed: InstalledModel | None) -> ModelSource | None:
    return None if installed is None else ModelSource.of(installed, partial(_load, installed))


def _load(installed: InstalledModel, device: str, _precision: Precision) -> Any:
    said = installed.declaration
    if said.role == TRIMAP_ROLE:
        from studio_pipelines.models.vitmatte import load_vitmatte

        return load_vitmatte(installed.folder, device)
    from studio_pipelines.models.matting import load_subject_network

    return load_subject_network(installed.folder, said.engine, said.options)


def _solve(lease: Lease, edges: ModelSource, codes: Any, trimap: Any, wished: Any) -> Any:
    network = lease.model(edges)
    return run_interruptibly(lambda: network.solve(codes, trimap, wished), stop=network.stop)
