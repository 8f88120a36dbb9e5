"""Load Demucs models: a bag's YAML file and one checkpoint for each of its models.

The layout is that of the hub's repositories (``demucs.hf``) and of ``demucs.repo.LocalRepo``. Other
than those, nothing that a checkpoint names is imported or called: classes come from a list, and a
pickle is read for tensors and plain values only, unless whoever declared the model trusts it.
"""

import inspect
import json
import math
import pickle
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import torch
import yaml
from demucs.demucs import Demucs
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from demucs.states import load_model
from safetensors import SafetensorError, safe_open

from studio_pipelines.errors import UnusableModel

Network: TypeAlias = Demucs | HDemucs | HTDemucs

_CLASSES: dict[str, type[Any]] = {
    f"{kind.__module__}.{kind.__qualname__}": kind for kind in (Demucs, HDemucs, HTDemucs)
}
_HINT = "Get the model's files again, or export it as safetensors."


@dataclass(frozen=True, eq=False)
class DemucsBag:
    """Models whose estimates are averaged.

    Attributes:
        name: The bag's name.
        networks: The models, in evaluation mode; they agree in sources, rate and channels.
        weights: For each model the weight of each source.
    """

    name: str
    networks: tuple[Network, ...]
    weights: tuple[tuple[float, ...], ...]

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the stems."""
        return tuple(self.networks[0].sources)

    def to(self, device: str) -> "DemucsBag":
        """Move the models to a device."""
        for network in self.networks:
            network.to(device)
        return self


def load_demucs(folder: Path, name: str, *, trust_pickle: bool = False) -> DemucsBag:
    """Load a bag, or a single model.

    Args:
        folder: It holds ``<name>.yaml`` (keys ``models``, ``weights``, ``segment``) and a
            ``.safetensors`` or ``.th`` file for each name under ``models``; or one such file alone.
        name: The model's name.
        trust_pickle: Whether ``.th`` files may run code of their own when they are read.

    Raises:
        UnusableModel: Files are missing or damaged, or hold what is not to be loaded.
    """
    about = folder / f"{name}.yaml"
    bag: dict[str, Any] = yaml.safe_load(about.read_text()) if about.is_file() else {}
    names = bag.get("models") or _only_checkpoint(folder)
    networks = tuple(_load(_file_of(folder, one), trust_pickle=trust_pickle) for one in names)
    first = networks[0]
    for other in networks:
        if _shape(other) != _shape(first):
            raise UnusableModel(f"the models of {name} differ: {_shape(first)}, {_shape(other)}")
    even = [[1.0] * len(first.sources)] * len(networks)
    weights = tuple(tuple(map(float, row)) for row in bag.get("weights") or even)
    if [len(row) for row in weights] != [len(row) for row in even]:
        raise UnusableModel(f"the weights of {name} don't fit its models and sources")
    for network in networks:
        # As in upstream's bags: a transformer cannot take longer segments than its own.
        longest_s = network.segment if isinstance(network, HTDemucs) else math.inf
        segment_s: Any = min(bag.get("segment") or network.segment, longest_s)
        network.segment = segment_s
    return DemucsBag(name, networks, weights)


def _shape(network: Network) -> tuple[Any, ...]:
    return tuple(network.sources), network.samplerate, network.audio_channels


def _only_checkpoint(folder: Path) -> list[str]:
    found = [path for path in folder.iterdir() if path.suffix in (".safetensors", ".th")]
    if len(found) != 1:
        raise UnusableModel(f"{len(found)} checkpoints, and no YAML that says which", hint=_HINT)
    return [found[0].stem]


def _file_of(folder: Path, name: str) -> Path:
    """Find ``<name>.safetensors``, ``<name>.th`` or, with part of a hash, ``<name>-<hash>.th``."""
    exact = (folder / f"{name}.safetensors", folder / f"{name}.th")
    hashed = sorted(path for path in folder.glob("*.th") if path.stem.rpartition("-")[0] == name)
    for path in (*exact, *hashed):
        if path.is_file() and path.parent == folder:
            return path
    raise UnusableModel(f"the checkpoint {name!r} is missing", hint=_HINT)


def _load(path: Path, *, trust_pickle: bool) -> Network:
    try:
        read = _read_safetensors if path.suffix == ".safetensors" else _read_pickle
        package = read(path)
    except pickle.UnpicklingError as error:
        if not trust_pickle:
            raise UnusableModel(
                f"{path.name} is a pickle that holds more than tensors and plain values",
                hint="Export it as safetensors; or, if you trust who made it, declare the model "
                "with options.trust_pickle = true.",
            ) from error
        # Only what its owner has declared to be trusted comes here.
        package = torch.load(path, map_location="cpu", weights_only=False)  # nosec B614
    except (SafetensorError, KeyError, ValueError, RuntimeError, OSError) as error:
        raise UnusableModel(f"{path.name} cannot be read: {error}", hint=_HINT) from error
    return _built(package, path.name)


def _built(package: dict[str, Any], name: str) -> Network:
    kind = package["klass"]
    if kind not in _CLASSES.values():
        raise UnusableModel(f"{name} is no Demucs model: {kind!r}")
    known = inspect.signature(kind).parameters
    kwargs = {key: value for key, value in package["kwargs"].items() if key in known}
    try:
        network = load_model({**package, "kwargs": kwargs})
    except (RuntimeError, TypeError) as error:
        raise UnusableModel(f"the weights of {name} don't fit: {error}", hint=_HINT) from error
    return network.eval().requires_grad_(requires_grad=False)


def _read_safetensors(path: Path) -> dict[str, Any]:
    """Read what ``demucs``' export writes: class and arguments are JSON in the metadata."""
    with safe_open(str(path), framework="pt") as file:
        about = file.metadata() or {}
        if "structure" in about:
            raise ValueError("quantised models are not supported")
        state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  no mapping
    if about["klass"] not in _CLASSES:
        raise ValueError(f"no Demucs model: {about['klass']!r}")
    args, kwargs = (json.loads(about[key], object_hook=_fraction) for key in ("args", "kwargs"))
    return {"klass": _CLASSES[about["klass"]], "args": args, "kwargs": kwargs, "state": state}


def _fraction(value: dict[str, Any]) -> Any:
    if value.get("_type") == "fraction":
        return Fraction(value["numerator"], value["denominator"])
    return value


def _read_pickle(path: Path) -> dict[str, Any]:
    with torch.serialization.safe_globals([*_CLASSES.values(), Fraction]):
        return torch.load(path, map_location="cpu", weights_only=True)
