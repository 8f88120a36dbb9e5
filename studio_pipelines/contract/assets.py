"""Stored files."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from studio_pipelines.contract.answer import Answer


class Asset(Answer):
    """A stored file."""

    id: str = Field(description="As a media reference: `asset:<id>`.")
    url: str = Field(description="Where its bytes are.")
    media_type: str = Field(description="Found in the content itself.")
    bytes: int
    sha256: str
    created_at: datetime
    filename: str | None = Field(None, description="The name that a download proposes.")
    job_id: str | None = Field(None, description="The job that made it; none made an upload.")


class StoredAsset(Asset):
    """A file that has just been stored."""

    success: Literal[True] = True


class AssetDeleted(Answer):
    """A file that is gone."""

    success: Literal[True] = True
    id: str
