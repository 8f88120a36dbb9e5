"""The stack as processes that run together."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg2
import pytest
import redis
import yaml

from studio_pipelines import stack as stack_module
from studio_pipelines.settings import SQLITE, Settings, load_settings
from studio_pipelines.stack import running_stack, start_stack
from studio_pipelines.stack_processes import PROJECT_DIR, Selection, StackError

pytestmark = pytest.mark.stack


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("STUDIO_REDIS_URL", "REDIS_URL", "STUDIO_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return load_settings(data_dir=tmp_path / "data")


def processes_of(data_dir: Path) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(data_dir) in " ".join(process.info["cmdline"] or ()) and process.pid != os.getpid()
    ]


def runs(process: psutil.Process) -> bool:
    """Whether it runs; one that has ended and waits to be collected by init does not."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_selection_by_component_and_by_process() -> None:
    everything, some = Selection(), Selection(("api", "worker-image"))
    assert everything.has("worker-image")
    assert some.has("api")
    assert some.has("worker-image")
    assert not some.has("worker-audio")
    assert some.uses("worker")
    assert not some.uses("dagster")
    assert Selection(("dagster",)).has("dagster-daemon")
    with pytest.raises(StackError, match="no process 'wroker'"):
        Selection(("wroker",))


def test_servers_run_on_free_ports_and_stop(settings: Settings) -> None:
    with running_stack(settings, only=("broker", "database")) as stack:
        assert redis.Redis.from_url(stack.env["STUDIO_REDIS_URL"]).ping()
        psycopg2.connect(stack.env["STUDIO_DATABASE_URL"]).close()
        assert stack.env["DAGSTER_HOME"] == str(settings.data_dir / "dagster")
        assert processes_of(settings.data_dir)
    assert processes_of(settings.data_dir) == []


def test_stack_starts_again_in_the_same_process(settings: Settings) -> None:
    for expected in (1, 2):
        with running_stack(settings, only=("broker",)) as stack:
            client = redis.Redis.from_url(stack.env["STUDIO_REDIS_URL"])
            assert client.incr("starts") == expected


def test_second_stack_in_the_same_folder_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack_module, "LOCK_TIMEOUT_S", 0.2)
    with (
        running_stack(settings, only=("broker",)),
        pytest.raises(StackError, match="Another studio is running"),
    ):
        start_stack(settings, only=("broker",))


def test_service_without_its_servers_is_refused_in_words(settings: Settings) -> None:
    with pytest.raises(StackError, match=r"api need a broker.*STUDIO_REDIS_URL"):
        start_stack(settings, only=("api",))


def test_taken_port_is_said(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        wanted = settings.model_copy(update={"dagster_port": port})
        stack = start_stack(wanted, only=("broker", "database", "dagster-webserver"))
        try:
            assert stack.settings.dagster_port != port
            assert f"Port {port} is taken" in stack.notices[0]
        finally:
            stack.supervisor.stop()


def test_sqlite_takes_the_place_of_a_database_that_cannot_be_had(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack_module, "embedded_database", lambda _: None)
    with running_stack(settings, only=("broker", "database")) as stack:
        assert "SQLite" in stack.notices[0]
        assert "STUDIO_DATABASE_URL" not in stack.env
        instance = yaml.safe_load((settings.data_dir / "dagster" / "dagster.yaml").read_text())
        assert "storage" not in instance
        assert "run_launcher" in instance


def test_sqlite_is_had_for_the_asking(settings: Settings) -> None:
    wanted = settings.model_copy(update={"database_url": SQLITE})
    with running_stack(wanted, only=("broker", "database")) as stack:
        assert [status.name for status in stack.supervisor.status()] == ["broker"]
        assert stack.notices == ()
        instance = yaml.safe_load((settings.data_dir / "dagster" / "dagster.yaml").read_text())
        assert not [name for name in instance if "storage" in name]


RUN_UNTIL_KILLED = """
import sys, time
from studio_pipelines.settings import load_settings
from studio_pipelines.stack import running_stack

with running_stack(load_settings(data_dir=sys.argv[1]), only=("broker", "database", "dagster")):
    print("ready", flush=True)
    time.sleep(120)
"""


def test_nothing_outlives_a_killed_stack_and_the_next_one_starts(settings: Settings) -> None:
    host = subprocess.Popen(
        [sys.executable, "-c", RUN_UNTIL_KILLED, str(settings.data_dir)],
        cwd=PROJECT_DIR,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert host.stdout is not None
    assert host.stdout.readline() == "ready\n"
    family = psutil.Process(host.pid).children(recursive=True)
    assert len(family) >= 8

    host.kill()
    host.wait()

    # At once: it waits for the folder's lock until the killed stack's last process is gone.
    with running_stack(settings, only=("broker", "database")):
        assert [process for process in family if runs(process)] == []
    time.sleep(0.1)
    assert processes_of(settings.data_dir) == []
