"""Where keys are kept where there is no Postgres, and what is said when they are needed."""

import stat
from pathlib import Path

from resources.api_keys import KeyRing
from studio_pipelines.access_database import open_access_database, with_database_address
from studio_pipelines.settings import load_settings
from studio_pipelines.stack import _key_notice
from studio_pipelines.stack_processes import Selection


def test_without_postgres_keys_are_in_a_file_of_their_owners_alone(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path, database_url="sqlite")
    engine = open_access_database(settings)
    _, secret = KeyRing(engine).create("demo")
    engine.dispose()
    again = open_access_database(with_database_address(settings))
    known = KeyRing(again).recognise(secret)
    assert known is not None
    assert known.name == "demo"
    again.dispose()
    (file,) = tmp_path.glob("access*")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_folder_without_a_database_is_not_given_one(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path, database_url="")
    assert with_database_address(settings) == settings
    assert list(tmp_path.iterdir()) == []


def test_who_starts_a_studio_is_told_that_it_needs_keys(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path, host="192.0.2.1")
    (notice,) = _key_notice(settings, Selection())
    assert "studio keys create" in notice
    assert _key_notice(settings, Selection(["worker"])) == []
    assert _key_notice(load_settings(data_dir=tmp_path), Selection()) == []
