"""The shelf of models that the settings name."""

from pathlib import Path

from resources.model_shelf import ModelShelf
from studio_pipelines.settings import Settings

DECLARATIONS = Path(__file__).resolve().parent / "models"


def model_shelf(settings: Settings) -> ModelShelf:
    """Return the shelf of a deployment: the studio's own declarations, and those of the user."""
    return ModelShelf(settings.models_dir, (DECLARATIONS,), settings.licence_policy)
