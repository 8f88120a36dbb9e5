"""Settings from the environment."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from studio_pipelines.settings import load_settings


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("STUDIO_") or name in ("REDIS_URL", "XDG_DATA_HOME"):
            monkeypatch.delenv(name)


def test_data_folder_follows_the_xdg_specification(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_settings().data_dir == tmp_path / ".local" / "share" / "studio"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert load_settings().data_dir == tmp_path / "xdg" / "studio"


def test_assets_are_in_the_data_folder_unless_told(tmp_path: Path) -> None:
    assert load_settings(data_dir=tmp_path).asset_url == f"file://{tmp_path}/assets"
    told = load_settings(data_dir=tmp_path, asset_url="memory://assets")
    assert told.asset_url == "memory://assets"


def test_both_names_of_the_broker_variable_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().redis_url is None
    monkeypatch.setenv("REDIS_URL", "redis://plain")
    assert load_settings().redis_url == "redis://plain"
    monkeypatch.setenv("STUDIO_REDIS_URL", "redis://ours")
    assert load_settings().redis_url == "redis://ours"


@pytest.mark.parametrize("zone", ["Nowhere", "Europe", "/etc/localtime", "../UTC", ""])
def test_a_time_zone_that_there_is_not_is_refused(zone: str) -> None:
    with pytest.raises(ValidationError, match="no time zone"):
        load_settings(batch_time_zone=zone)
    assert load_settings(batch_time_zone="Europe/Berlin").batch_time_zone == "Europe/Berlin"


def test_empty_variable_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIO_DATABASE_URL", "")
    assert load_settings().database_url is None


def test_settings_survive_the_way_through_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = load_settings(
        data_dir=tmp_path,
        redis_url="redis://:secret@localhost/0",
        api_port=1234,
        sync_wait_s=1.5,
        operation_packages=("one", "two"),
        fetch_allowed_hosts=("example.org",),
        fetch_allow_private_addresses=True,
    )
    for name, value in settings.as_env().items():
        monkeypatch.setenv(name, value)
    assert load_settings() == settings


@pytest.mark.parametrize(
    ("name", "value"),
    [("STUDIO_API_PORT", "70000"), ("STUDIO_SYNC_WAIT_S", "0"), ("STUDIO_LOG_LEVEL", "LOUD")],
)
def test_value_out_of_range_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError):
        load_settings()


def test_settings_do_not_change_and_do_not_show_passwords() -> None:
    settings = load_settings(redis_url="redis://:secret@localhost/0")
    with pytest.raises(ValidationError):
        settings.api_port = 1
    assert "secret" not in repr(settings)


def test_importing_settings_imports_nothing_heavy() -> None:
    source = (
        "import sys, studio_pipelines.settings\n"
        "print(*{'dagster', 'fastapi', 'numpy', 'redis', 'torch'} & sys.modules.keys())"
    )
    root = Path(__file__).parents[2]
    answer = subprocess.run(
        [sys.executable, "-c", source], cwd=root, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == ""


@pytest.mark.parametrize(
    ("host", "needs_keys"),
    [
        ("127.0.0.1", False),
        ("127.0.0.53", False),
        ("localhost", False),
        ("::1", False),
        ("0.0.0.0", True),
        ("::", True),
        ("192.168.1.2", True),
        ("studio.internal", True),
        ("localhost.example.org", True),
    ],
)
def test_keys_are_off_on_loopback_alone(host: str, needs_keys: bool) -> None:
    assert load_settings(host=host).needs_keys is needs_keys
    assert load_settings(host=host, require_keys=True).needs_keys is True


@pytest.mark.parametrize("origin", ["*", "example.org", "https://example.org/", "file://x", "null"])
def test_a_site_is_named_by_its_exact_origin(origin: str) -> None:
    assert load_settings(cors_origins=("https://example.org:8443",)).cors_origins
    with pytest.raises(ValidationError, match="no origin"):
        load_settings(cors_origins=(origin,))
