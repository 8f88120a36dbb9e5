"""The tables of who may use the studio and of what was done with it, beside Dagster's own."""

import sqlalchemy as db
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.schema import CreateIndex, CreateTable

METADATA = db.MetaData()

API_KEYS = db.Table(
    "studio_api_keys",
    METADATA,
    db.Column("id", db.String(32), primary_key=True),
    db.Column("name", db.String(100), nullable=False),
    db.Column("prefix", db.String(16), nullable=False, index=True),
    db.Column("digest", db.String(64), nullable=False),
    db.Column("owner", db.String(32), nullable=False),
    db.Column("scopes", db.JSON, nullable=False),
    db.Column("limits", db.JSON, nullable=False),
    db.Column("created_at_s", db.Float(53), nullable=False),
    db.Column("expires_at_s", db.Float(53)),
    db.Column("revoked_at_s", db.Float(53)),
)
# A name is free again when its key is revoked.
db.Index(
    "studio_api_keys_name",
    API_KEYS.c.name,
    unique=True,
    postgresql_where=API_KEYS.c.revoked_at_s.is_(None),
    sqlite_where=API_KEYS.c.revoked_at_s.is_(None),
)

AUDIT = db.Table(
    "studio_audit",
    METADATA,
    db.Column("id", db.Integer, primary_key=True, autoincrement=True),
    db.Column("at_s", db.Float(53), nullable=False, index=True),
    db.Column("actor", db.String(100), nullable=False),
    db.Column("address", db.String(64), nullable=False),
    db.Column("action", db.String(32), nullable=False),
    db.Column("subject", db.String(100), nullable=False),
    db.Column("detail", db.JSON, nullable=False),
)

# Any number, the same in all processes: who creates the tables holds this lock of Postgres.
_CREATION_LOCK = 7_311_962


def create_tables(engine: Engine) -> None:
    """Create the tables where they are not there yet; any number of processes may do so at once."""
    with engine.connect() as connection:
        is_postgres = engine.dialect.name == "postgresql"
        if is_postgres:
            connection.execute(db.select(db.func.pg_advisory_lock(_CREATION_LOCK)))
        try:
            _create(connection)
        finally:
            if is_postgres:
                connection.execute(db.select(db.func.pg_advisory_unlock(_CREATION_LOCK)))


def _create(connection: Connection) -> None:
    for table in METADATA.sorted_tables:
        connection.execute(CreateTable(table, if_not_exists=True))
        for index in table.indexes:
            connection.execute(CreateIndex(index, if_not_exists=True))
