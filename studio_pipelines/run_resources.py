"""The resources of a run, made once a process.

Dagster makes a `ConfigurableResource` anew for each run: its environment variables resolved, its
config validated, its schema inferred, three objects each. For three resources that is a fifth of
a small run. Here a run gets a copy of one that is ready.
"""

import copy
import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import dagster as dg

from resources.artifacts import ArtifactStore
from resources.embedding_cache import EmbeddingCache
from resources.gpu import Gpu
from resources.model_store import ModelStore
from resources.progress import Progress
from studio_pipelines.model_shelf import DECLARATIONS

VARIABLES = (
    "STUDIO_ASSET_URL",
    "STUDIO_ASSET_QUOTA_BYTES",
    "STUDIO_REDIS_URL",
    "STUDIO_RAM_LEASE_PERCENT",
    "STUDIO_VRAM_RESERVE_MIB",
    "STUDIO_MODEL_IDLE_S",
    "STUDIO_MODELS_DIR",
    "STUDIO_LICENCE_POLICY",
    "STUDIO_DATA_DIR",
    "STUDIO_EMBEDDING_CACHE_BYTES",
)


def run_resources() -> dict[str, dg.ResourceDefinition]:
    """Return what ops may ask for, by the names of their parameters."""
    return {
        "artifacts": _ready_made(_artifacts, "Stores assets."),
        "embeddings": _ready_made(_embeddings, "Keeps what networks have made of pictures."),
        "gpu": _ready_made(_gpu, "Leases the memory of a device."),
        "models": _ready_made(_models, "Gives the files of the models that are installed."),
        "progress": _ready_made(_progress, "Tells how far an op is."),
        "io_manager": dg.mem_io_manager,
    }


def _ready_made(
    make: Callable[[Mapping[str, str]], dg.ConfigurableResource], description: str
) -> dg.ResourceDefinition:
    @cache
    def prototype(*values: str) -> dg.ConfigurableResource:
        return make(dict(zip(VARIABLES, values, strict=True)))

    @dg.resource(description=description)
    def resource(context: dg.InitResourceContext) -> Iterator[dg.ConfigurableResource]:
        # Read when a run begins, not on import.
        own = copy.copy(prototype(*(os.environ[name] for name in VARIABLES)))
        own.setup_for_execution(context)
        try:
            yield own
        finally:
            own.teardown_after_execution(context)

    return resource


def _artifacts(env: Mapping[str, str]) -> ArtifactStore:
    return ArtifactStore(
        url=env["STUDIO_ASSET_URL"], quota_bytes=int(env["STUDIO_ASSET_QUOTA_BYTES"])
    )


def _embeddings(env: Mapping[str, str]) -> EmbeddingCache:
    return EmbeddingCache(
        folder=str(Path(env["STUDIO_DATA_DIR"]) / "embeddings"),
        limit_bytes=int(env["STUDIO_EMBEDDING_CACHE_BYTES"]),
    )


def _gpu(env: Mapping[str, str]) -> Gpu:
    return Gpu(
        redis_url=env["STUDIO_REDIS_URL"],
        ram_percent=int(env["STUDIO_RAM_LEASE_PERCENT"]),
        vram_reserve_mib=int(env["STUDIO_VRAM_RESERVE_MIB"]),
        model_idle_s=int(env["STUDIO_MODEL_IDLE_S"]),
    )


def _progress(env: Mapping[str, str]) -> Progress:
    return Progress(redis_url=env["STUDIO_REDIS_URL"])


def _models(env: Mapping[str, str]) -> ModelStore:
    return ModelStore(
        folder=env["STUDIO_MODELS_DIR"],
        declared_in=[str(DECLARATIONS)],
        licence_policy=env["STUDIO_LICENCE_POLICY"],
    )
