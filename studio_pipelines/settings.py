"""What a deployment may configure, from ``STUDIO_*`` environment variables.

Nothing is read when this module is imported: `load_settings` reads, once, where a process starts.
"""

import json
import os
from datetime import time
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AliasChoices, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from studio_pipelines.listening import is_loopback

MIB, GIB = 2**20, 2**30
SQLITE = "sqlite"
_WEB = ("http", "https")


def default_data_dir() -> Path:
    """The user's data folder by the XDG Base Directory specification."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "studio"


def default_models_dir() -> Path:
    """The user's cache folder by the XDG Base Directory specification: models can be had again."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "studio" / "models"


class Settings(BaseSettings):
    """The studio's settings. Each field ``name`` is the variable ``STUDIO_NAME``."""

    model_config = SettingsConfigDict(
        env_prefix="STUDIO_",
        frozen=True,
        extra="forbid",
        env_ignore_empty=True,
        populate_by_name=True,
    )

    data_dir: Path = Field(
        default_factory=default_data_dir,
        description="Folder for the embedded servers' data, logs and, by default, the assets.",
    )
    redis_url: str | None = Field(
        None,
        validation_alias=AliasChoices("STUDIO_REDIS_URL", "REDIS_URL"),
        repr=False,
        description="Redis or Valkey server; None runs the embedded one.",
    )
    database_url: str | None = Field(
        None,
        repr=False,
        description="Postgres server (libpq URI), or `sqlite`; None runs the embedded Postgres.",
    )
    asset_url: str = Field(
        "", description="fsspec URL where assets are kept; empty means a folder in data_dir."
    )

    host: str = Field("127.0.0.1", description="Address that the API listens on.")
    api_port: int = Field(8000, ge=0, le=65535, description="Port of the API; 0 is any free one.")
    require_keys: bool = Field(
        False, description="Ask for API keys on loopback as well: behind a proxy, for example."
    )
    cors_origins: tuple[str, ...] = Field(
        (), description="Sites whose pages may use the API from a browser, each an exact origin."
    )
    link_secret: str | None = Field(
        None,
        repr=False,
        min_length=32,
        description="What URLs of assets are signed with; None takes data_dir/links.secret.",
    )
    link_lifetime_s: int = Field(
        24 * 3600, ge=1, description="How long a signed URL of an asset is good for, in seconds."
    )
    dagster_port: int = Field(
        3000, ge=0, le=65535, description="Port of the Dagster UI (loopback); 0 is any free one."
    )

    sync_wait_s: float = Field(
        120.0, gt=0, le=3600, description="Longest wait of a synchronous call, in seconds."
    )
    asset_quota_bytes: int = Field(50 * GIB, gt=0, description="Limit of all stored assets.")
    max_upload_bytes: int = Field(4 * GIB, gt=0, description="Limit of one uploaded file.")
    embedding_cache_bytes: int = Field(
        2 * GIB,
        ge=0,
        description="What networks have made of pictures is kept up to this size; 0 keeps none.",
    )
    lane_workers: dict[str, int] = Field(
        default_factory=dict,
        description="How many worker processes a lane has on this machine, where not one.",
    )
    batch_at: time = Field(
        time(1, 0), description="Time of day at which jobs of the nightly batch are queued."
    )
    batch_time_zone: str = Field(
        "UTC", description="Time zone of batch_at, by its IANA name such as Europe/Berlin."
    )
    keep_runs_days: int = Field(
        30, ge=0, description="Days until a finished run and its events go; 0 keeps them for ever."
    )
    keep_observations_days: int = Field(
        7, ge=0, description="Days until what sensors recorded goes; 0 keeps it for ever."
    )
    keep_assets_days: int = Field(
        30, ge=0, description="Days until a stored asset goes; 0 keeps them for ever."
    )
    keep_audit_days: int = Field(
        365, ge=0, description="Days until an entry of the audit log goes; 0 keeps it for ever."
    )
    operation_packages: tuple[str, ...] = Field(
        ("studio_pipelines.operations",), description="Packages that the catalogue collects."
    )
    chain_modules: tuple[str, ...] = Field(
        ("studio_pipelines.chains",), description="Modules whose CHAINS the catalogue collects."
    )

    models_dir: Path = Field(
        default_factory=default_models_dir,
        description="Folder that models are pulled into; .toml files in it declare more of them.",
    )
    licence_policy: Literal["commercial", "research"] = Field(
        "commercial",
        description="`commercial` refuses models whose licence allows no commercial use.",
    )

    ram_lease_percent: int = Field(
        60, ge=1, le=100, description="Share of the RAM that jobs may lease where there is no GPU."
    )
    vram_reserve_mib: int = Field(
        1024, ge=0, description="Memory of a GPU that is not leased to jobs, in MiB."
    )
    model_idle_s: int = Field(
        900, ge=0, description="How long a model that no job uses is kept loaded, in seconds."
    )

    max_pixels: int = Field(200_000_000, gt=0, description="Pixels of a picture or a frame.")
    max_side_px: int = Field(
        65_500, gt=0, le=65_500, description="Longer side of a picture or a frame, in pixels."
    )
    max_picture_bytes: int = Field(2 * GIB, gt=0, description="Bytes of a picture's file.")
    max_duration_s: float = Field(
        3 * 3600.0, gt=0, description="Length of a sound or a video, in seconds."
    )
    max_frames: int = Field(432_000, gt=0, description="Frames of a video.")
    max_channels: int = Field(8, gt=0, le=8, description="Channels of a sound.")
    max_sample_rate_hz: int = Field(384_000, gt=0, description="Sampling frequency of a sound.")
    max_decoded_bytes: int = Field(8 * GIB, gt=0, description="Bytes of what one file decodes to.")
    max_lut_bytes: int = Field(128 * MIB, gt=0, description="Bytes of a LUT in a text file.")
    decode_timeout_s: float = Field(
        120.0, gt=0, description="Longest decoding of one file, or of one frame, in seconds."
    )
    helper_memory_bytes: int = Field(
        8 * GIB, ge=GIB, description="Address space of the process that decodes."
    )

    fetch_allowed_hosts: tuple[str, ...] = Field(
        (), description="Hosts that media may be fetched from; empty means any public host."
    )
    fetch_allowed_ports: tuple[int, ...] = Field(
        (80, 443), description="Ports that a URL to fetch media from may name."
    )
    fetch_timeout_s: float = Field(
        300.0, gt=0, description="Longest fetch of one file, from its lookup to its last byte."
    )
    fetch_allow_private_addresses: bool = Field(
        False, description="Also fetch from private and loopback addresses: for trusted networks."
    )
    webhook_secret: str | None = Field(
        None,
        repr=False,
        pattern=r"^whsec_[A-Za-z0-9+/]{32,}={0,2}$",
        description="What webhooks are signed with; None takes the one in data_dir/webhook.secret.",
    )
    webhook_allowed_hosts: tuple[str, ...] = Field(
        (), description="Hosts that webhooks may go to; empty means any public host."
    )
    webhook_allow_private_addresses: bool = Field(
        False,
        description="Also send webhooks to private and loopback addresses, and to any port.",
    )
    webhook_retry_s: tuple[float, ...] = Field(
        (5, 30, 120, 600, 1800, 3600, 7200, 14400, 21600, 28800),
        description="Waits after each failed try of a webhook, in seconds: 22 hours in all.",
    )
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")

    @model_validator(mode="before")
    @classmethod
    def _resolve_paths(cls, values: dict[str, Any]) -> dict[str, Any]:
        data_dir = Path(values.get("data_dir") or default_data_dir()).expanduser().resolve()
        asset_url = values.get("asset_url") or (data_dir / "assets").as_uri()
        models_dir = Path(values.get("models_dir") or default_models_dir()).expanduser().resolve()
        return {**values, "data_dir": data_dir, "asset_url": asset_url, "models_dir": models_dir}

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            parts = urlsplit(origin)
            if f"{parts.scheme}://{parts.netloc}" != origin or parts.scheme not in _WEB:
                raise ValueError(
                    f"{origin!r} is no origin; write https://host or https://host:port"
                )
        return origins

    @field_validator("batch_time_zone")
    @classmethod
    def _is_known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            told = f"there is no time zone {zone!r}; write one such as Europe/Berlin"
            raise ValueError(told) from error
        return zone

    @property
    def needs_keys(self) -> bool:
        """Whether requests need an API key."""
        return self.require_keys or not is_loopback(self.host)

    def as_env(self) -> dict[str, str]:
        """The variables that give another process these same settings."""
        values = self.model_dump(mode="json", exclude_none=True)
        return {f"STUDIO_{name.upper()}": _as_variable(value) for name, value in values.items()}


def _as_variable(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def load_settings(**overrides: Any) -> Settings:
    """Read the settings from the environment; keyword arguments win.

    Raises:
        pydantic.ValidationError: A variable has a value that cannot be used.
    """
    return Settings(**overrides)
