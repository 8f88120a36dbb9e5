"""Which model fills the holes of a request: patch completion, or an installed one by its engine."""

from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic.alias_generators import to_camel

from resources.lease import Lease
from resources.model_cache import ModelSource
from resources.model_folder import InstalledModel
from resources.model_shelf import AUTO, ModelShelf
from resources.model_store import ModelStore
from studio_pipelines.errors import InvalidParameter
from studio_pipelines.inpaint_parameters import ImageInpaint
from studio_pipelines.media.inpaint_settings import DiffusionSettings
from studio_pipelines.model_choice import ChosenModel, ModelIdentity
from studio_pipelines.segmenting.clicked import clicked_network

if TYPE_CHECKING:
    from studio_pipelines.media.inpainting import Filler
    from studio_pipelines.models.inpaint_engines import Engine

WORKER = "inpaint-model"
BUILTIN = ModelIdentity("studio-patchmatch", "1", "Apache-2.0", "builtin")
LAMA, DIFFUSERS = "lama", "diffusers"


@dataclass(frozen=True)
class InpaintWorker:
    """What fills the holes.

    Attributes:
        identity: As the answer names it.
        settings: What was chosen, the seed above all.
        engine: Loads and runs the model, or None for patch completion.
        sources: The models to lease for it.
    """

    identity: ModelIdentity
    settings: DiffusionSettings
    engine: "Engine | None" = None
    sources: tuple[ModelSource, ...] = ()

    def filler(self, lease: Lease, on_preview: Callable[[Any], object]) -> "Filler":
        """Return what fills a window, its model loaded on the lease's device."""
        from studio_pipelines.media.inpainting import PatchFiller

        if self.engine is None:
            return PatchFiller(self.settings.seed)
        return self.engine.filler(lease.model(self.sources[0]), self.settings, on_preview)

    def notes(self, *, has_exclude: bool) -> tuple[str, ...]:
        """Return what a person should know of the choice."""
        if self.engine is None or not has_exclude:
            return ()
        return (f"{self.identity.name} copies nothing, so exclude made no difference.",)


def choose_worker(models: ModelStore, name: str, settings: DiffusionSettings) -> InpaintWorker:
    """Return what a request asks for.

    Args:
        models: What is installed.
        name: ``auto``, the built-in patch completion's name, or a model's.
        settings: What was chosen.

    Raises:
        UnknownModel: No such model is declared.
        LicenceRefused: The policy does not admit it.
        ModelNotInstalled: It is not here.
        InvalidParameter: It does not take what was chosen.
    """
    installed = _installed(models.shelf, name, prompt=settings.prompt)
    if installed is None or installed.declaration.engine != DIFFUSERS:
        for field in settings.given:
            raise InvalidParameter(
                f"{to_camel(field)} is for diffusion models; the model is "
                f"{BUILTIN.name if installed is None else installed.name}.",
                field=to_camel(field),
                hint="Leave it out, or name a diffusion model.",
            )
    if installed is None:
        return InpaintWorker(BUILTIN, settings)
    from studio_pipelines.models.inpaint_engines import engine_of

    engine = engine_of(installed.declaration.engine, installed.declaration.options)
    source = ModelSource.of(installed, lambda device, _: engine.load(installed.folder, device))
    return InpaintWorker(ModelIdentity.of(installed), settings, engine, (source,))


def chosen_models(
    params: ImageInpaint, _given: Set[str], shelf: ModelShelf
) -> tuple[ChosenModel, ...]:
    """Return what fills the holes of a request, and what finds them where clicks name them.

    Raises:
        StudioError: As :func:`choose_worker`, for a model that cannot be had.
    """
    installed = _installed(shelf, params.model, prompt=params.prompt)
    filler = ChosenModel(BUILTIN) if installed is None else ChosenModel.of(installed)
    finders = () if params.points is None else (clicked_network(shelf),)
    return filler, *map(ChosenModel.of, finders)


def _installed(shelf: ModelShelf, name: str, *, prompt: str) -> InstalledModel | None:
    """Return the model to load, or None for patch completion.

    ``auto`` is LaMa, else patch completion; with a prompt it is the best diffusion model. Without
    one a diffusion model likes to put new things where others were removed.
    """
    if name == BUILTIN.name:
        return None
    if name != AUTO:
        return shelf.choose(WORKER, name)
    serving = [one for one in shelf.for_worker(WORKER) if one.engine == _wanted(prompt)]
    found = (shelf.installed(one.name) for one in serving if shelf.admits(one))
    best = next((one for one in found if one is not None), None)
    if best is None and prompt:
        return shelf.choose(WORKER, serving[-1].name)  # which says how to get it
    return best


def _wanted(prompt: str) -> str:
    return DIFFUSERS if prompt else LAMA
