"""The eleven workers of the studio, the operations that are built for them, and the chains."""

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from studio_pipelines.chain import Chain, LinkedChain
from studio_pipelines.operation import Operation
from studio_pipelines.settings import load_settings


@dataclass(frozen=True)
class Worker:
    """One specialised worker as clients know it.

    Attributes:
        id: Public name.
        route: Path below ``/api`` of the operation that it serves.
        does: What it does, in a few words.
    """

    id: str
    route: str
    does: str


ROSTER = (
    Worker("depth-estimator", "/depth/estimate", "depth maps from images"),
    Worker("audio-demixer", "/audio/demix", "audio separated into stems"),
    Worker("vfx-compositor", "/vfx/composite", "alpha matting and compositing"),
    Worker("grading-engine", "/grading/apply", "LUTs and colour grading"),
    Worker("inpaint-model", "/retouch/inpaint", "inpainting and object removal"),
    Worker("qwen-vl-max", "/remix/semantic", "image edits from an instruction"),
    Worker("audio-master", "/audio/master", "loudness normalisation and mastering"),
    Worker("audio-tts", "/audio/tts", "speech, with voice cloning"),
    Worker("video-stabilize", "/video/stabilize", "gyro-based stabilisation"),
    Worker("forge-training", "/forge/train", "LoRA and DreamBooth training"),
    Worker("mask-segmenter", "/segment/mask", "masks from clicks, boxes or nothing"),
)


class DuplicateOperation(ValueError):
    """Two operations claim one name, route or worker."""


def collect(packages: Sequence[str]) -> dict[str, Operation]:
    """Import every module of the packages and return their operations by name.

    Raises:
        DuplicateOperation: Two modules declare the same name, route or worker.
    """
    found: dict[str, Operation] = {}
    for package_name in packages:
        package = importlib.import_module(package_name)
        for entry in sorted(pkgutil.iter_modules(package.__path__), key=lambda row: row.name):
            operation = importlib.import_module(f"{package_name}.{entry.name}").OPERATION
            _refuse_duplicate(operation, found)
            found[operation.name] = operation
    return found


def _refuse_duplicate(operation: Operation, found: Mapping[str, Operation]) -> None:
    for other in found.values():
        for kind in ("name", "route", "worker"):
            if getattr(other, kind) == getattr(operation, kind):
                claimed = getattr(operation, kind)
                raise DuplicateOperation(
                    f"{operation.name} and {other.name} share the {kind} {claimed!r}"
                )


@cache
def operations() -> Mapping[str, Operation]:
    """Return the built operations of the configured packages by name."""
    return collect(load_settings().operation_packages)


def workers() -> tuple[Worker, ...]:
    """Return the roster, and after it the workers of operations that others have added."""
    known = {worker.id for worker in ROSTER}
    added = [one for one in operations().values() if one.worker not in known]
    return ROSTER + tuple(Worker(one.worker, one.route, one.summary) for one in added)


def operation_of(worker: Worker) -> Operation | None:
    """Return the operation that a worker serves, or None while it is not built."""
    return next((one for one in operations().values() if one.worker == worker.id), None)


@cache
def declared_chains() -> Mapping[str, Chain]:
    """Return the chains of the configured modules by name, built or not.

    Raises:
        DuplicateOperation: Two have one name.
    """
    found: dict[str, Chain] = {}
    for module in load_settings().chain_modules:
        for chain in importlib.import_module(module).CHAINS:
            if chain.name in found:
                raise DuplicateOperation(f"two chains share the name {chain.name!r}")
            found[chain.name] = chain
    return found


@cache
def chains() -> Mapping[str, LinkedChain]:
    """Return the chains of which every operation is built, by name."""
    return {
        name: chain.linked(operations())
        for name, chain in declared_chains().items()
        if not chain.missing(operations())
    }


def queues() -> Mapping[str, str]:
    """Return the queue of each operation and chain, by its name."""
    return {
        **{name: name for name in operations()},
        **{name: chain.queue for name, chain in chains().items()},
    }


def working_on(name: str, step: str | None) -> Operation | None:
    """Return the operation in hand in a job of this name, at this step; None for what is none."""
    if name in operations():
        return operations()[name]
    return chains()[name].operations.get(step or "") if name in chains() else None
