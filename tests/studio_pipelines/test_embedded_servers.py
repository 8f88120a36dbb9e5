"""The broker and the database that the stack brings, as real servers."""

import os
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest
import redis

from studio_pipelines.embedded_servers import (
    EmbeddedServer,
    embedded_broker,
    embedded_database,
    free_port,
    port_is_free,
)
from studio_pipelines.supervisor import Supervisor

pytestmark = pytest.mark.stack


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    running = Supervisor(tmp_path)
    yield running
    running.stop()


def run(supervisor: Supervisor, server: EmbeddedServer | None) -> EmbeddedServer:
    assert server is not None
    supervisor.start([server.process])
    supervisor.wait_ready()
    return server


def wait_for_restart(supervisor: Supervisor) -> None:
    deadline_s = time.monotonic() + 20
    while supervisor.status()[0].restarts == 0 or supervisor.status()[0].state != "ready":
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def kill(supervisor: Supervisor) -> None:
    pid = supervisor.status()[0].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_for_restart(supervisor)


def query(url: str, sql: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def test_broker_keeps_its_data_through_a_hard_kill(supervisor: Supervisor, tmp_path: Path) -> None:
    broker = run(supervisor, embedded_broker(tmp_path))
    client = redis.Redis.from_url(broker.url)
    client.lpush("queue", "one", "two")
    # The file is flushed each second: a machine may lose that much, a killed process nothing.
    kill(supervisor)
    assert client.lrange("queue", 0, -1) == [b"two", b"one"]
    client.close()


def test_broker_is_private_and_never_evicts(supervisor: Supervisor, tmp_path: Path) -> None:
    broker = run(supervisor, embedded_broker(tmp_path))
    with redis.Redis.from_url(broker.url) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("save") == {"save": ""}
        port = client.connection_pool.connection_kwargs["port"]
    with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    listening = {
        connection.laddr.ip
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
    }
    assert listening == {"127.0.0.1"}
    config = tmp_path / "broker" / "valkey.conf"
    assert stat.S_IMODE(config.stat().st_mode) == 0o600


def test_data_folder_with_blanks_and_quotes(supervisor: Supervisor, tmp_path: Path) -> None:
    folder = tmp_path / 'my "own" data'
    broker = run(supervisor, embedded_broker(folder))
    with redis.Redis.from_url(broker.url) as client:
        assert client.config_get("dir") == {"dir": str(folder / "broker")}


def test_database_recovers_from_a_hard_kill(supervisor: Supervisor, tmp_path: Path) -> None:
    database = run(supervisor, embedded_database(tmp_path))
    query(database.url, "CREATE TABLE kept (n int)")
    query(database.url, "INSERT INTO kept VALUES (7)")
    kill(supervisor)
    assert query(database.url, "SELECT n FROM kept") == [(7,)]


def test_database_believes_no_stale_lock_file(supervisor: Supervisor, tmp_path: Path) -> None:
    first = Supervisor(tmp_path)
    run(first, embedded_database(tmp_path))
    text = (tmp_path / "database" / "postmaster.pid").read_text()
    first.stop()
    # A restarted container gives the old server's id to some other process: here, this one.
    lines = [str(os.getpid()), *text.splitlines()[1:]]
    (tmp_path / "database" / "postmaster.pid").write_text("\n".join(lines) + "\n")

    database = run(supervisor, embedded_database(tmp_path))

    assert query(database.url, "SELECT 1") == [(1,)]


def test_database_listens_on_no_network_and_waits_for_the_disk(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    database = run(supervisor, embedded_database(tmp_path))
    sql = "SELECT current_setting('{}')"
    assert query(database.url, sql.format("listen_addresses")) == [("",)]
    assert query(database.url, sql.format("synchronous_commit")) == [("on",)]
    assert query(database.url, sql.format("fsync")) == [("on",)]
    sockets = list((tmp_path / "database").glob(".s.PGSQL.*[0-9]"))
    assert [stat.S_IMODE(path.stat().st_mode) for path in sockets] == [0o700]


def test_database_in_a_folder_whose_path_is_too_long_for_a_socket(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    database = run(supervisor, embedded_database(tmp_path / ("long" * 25)))
    assert query(database.url, "SELECT 1") == [(1,)]


def test_preferred_port_is_given_only_while_it_is_free() -> None:
    import socket

    port = free_port()
    assert port < 32768
    assert free_port(port) == port
    with socket.create_server(("127.0.0.1", port)):
        assert not port_is_free(port)
        assert free_port(port) != port


def test_host_that_is_not_ours_has_no_port() -> None:
    with pytest.raises(OSError, match=r"192\.0\.2\.1"):
        free_port(host="192.0.2.1")
