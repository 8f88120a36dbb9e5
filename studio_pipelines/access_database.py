"""Where API keys and the audit log are kept: the studio's database, beside Dagster's tables."""

from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.engine import Engine

from resources.access_tables import create_tables
from resources.database_pool import pooled_engine
from studio_pipelines.database_faults import tell_outages
from studio_pipelines.settings import SQLITE, Settings

STATEMENT_TIMEOUT_MS = 10_000
POOL_RECYCLE_S = 3600
POOL_OVERFLOW = 20
SQLITE_FILE = "access.sqlite"


def open_access_database(settings: Settings) -> Engine:
    """Connect to the database, and create the tables that are not there yet.

    Args:
        settings: With the address that the database has come to have; None is SQLite, as where
            the stack found no Postgres.

    Raises:
        DatabaseUnavailable: It does not answer; also from each later use.
    """
    if settings.database_url in (None, SQLITE):
        path = settings.data_dir / SQLITE_FILE
        path.touch(mode=0o600)
        engine = create_engine(f"sqlite:///{path}")
    else:
        engine = pooled_engine(
            settings.database_url,
            statement_timeout_ms=STATEMENT_TIMEOUT_MS,
            recycle_s=POOL_RECYCLE_S,
            overflow=POOL_OVERFLOW,
        )
        tell_outages(engine)
    create_tables(engine)
    return engine


def with_database_address(settings: Settings) -> Settings:
    """Return settings that name the database also where the stack runs its own."""
    from studio_pipelines.embedded_servers import embedded_database

    has_run = Path(settings.data_dir, "database", "PG_VERSION").exists()
    if settings.database_url is not None or not has_run:
        return settings
    server = embedded_database(settings.data_dir)
    return settings.model_copy(update={"database_url": server.url if server else None})
