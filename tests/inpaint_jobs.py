"""Inpainting jobs in the test's own process, with the models of a shelf."""

from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np

from resources.artifacts import ArtifactStore
from resources.embedding_cache import EmbeddingCache
from resources.gpu import Gpu
from resources.model_store import ModelStore
from resources.progress import Progress
from studio_pipelines.jobs import job_of
from studio_pipelines.media.image_encode import encode_picture
from studio_pipelines.media.picture import Picture
from studio_pipelines.operations.image_inpaint import OPERATION

SHIPPED = Path(__file__).resolve().parents[1] / "studio_pipelines" / "models"


def run_inpainting(store: ArtifactStore, models: ModelStore, folder: Path, **config: Any) -> Any:
    """Replace a box in a picture of noise; return Dagster's result, of a failed job too."""
    pixels = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    encode_picture(Picture(pixels), folder / "image")
    image = store.adopt(folder / "image", media_type="image/png").id
    settings = {"box": [50, 40, 90, 80], **config}
    return job_of(OPERATION).execute_in_process(
        run_config={"ops": {OPERATION.name: {"inputs": {"image": image}, "config": settings}}},
        resources={
            "artifacts": store,
            "embeddings": EmbeddingCache(folder=str(folder / "embeddings")),
            "gpu": Gpu(preference="cpu"),
            "models": models,
            "progress": Progress(redis_url="redis://127.0.0.1:1/0"),
            "io_manager": dg.mem_io_manager,
        },
        raise_on_error=False,
    )


def told(result: Any) -> dict[str, Any]:
    """Return the record of a job that has succeeded."""
    assert result.success
    (event,) = result.asset_materializations_for_node(OPERATION.name)
    return event.metadata["result"].value


def fault(result: Any) -> dict[str, Any]:
    """Return the problem of a job that has failed."""
    assert not result.success
    failed = next(event for event in result.all_events if event.is_step_failure)
    return failed.step_failure_data.user_failure_data.metadata["problem"].value
