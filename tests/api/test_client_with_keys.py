"""The client and the command line at a studio that asks for keys."""

from pathlib import Path

import pytest
from keyed_studio import KeyedStudio
from typer.testing import CliRunner

from resources.api_keys import Limits
from studio_pipelines.cli import app
from studio_pipelines.client import NotFound, NotPermitted, Studio, TooManyRequests, transport

pytestmark = pytest.mark.stack


@pytest.fixture
def picture(tmp_path: Path, pixel_png: bytes) -> Path:
    path = tmp_path / "one.png"
    path.write_bytes(pixel_png + tmp_path.name.encode())
    return path


def key_of(keyed: KeyedStudio, *scopes: str, limits: Limits | None = None) -> str:
    studio, _ = keyed.with_key(*scopes, limits=limits)
    return studio.client.headers["Authorization"].removeprefix("Bearer ")


def test_a_key_opens_the_studio(keyed: KeyedStudio, picture: Path, tmp_path: Path) -> None:
    url = keyed.studio.stack.api_url
    with Studio(url, key_of(keyed)) as studio:
        job = studio.run("file_copy", image=picture)
        assert job.data is not None
        made = studio.download(job.data.assets["copy"], tmp_path / "made.png")
    assert made.read_bytes() == picture.read_bytes()
    with Studio(url, key_of(keyed)) as other, pytest.raises(NotFound):
        other.job(job.job_id)


def test_without_a_key_or_its_scope_one_is_told(keyed: KeyedStudio, picture: Path) -> None:
    url = keyed.studio.stack.api_url
    with pytest.raises(NotPermitted) as missing:
        Studio(url).runnables()
    assert (missing.value.code, missing.value.status) == ("key_missing", 401)
    with pytest.raises(NotPermitted) as unfit:
        Studio(url, key_of(keyed, "audio_master")).submit("file_copy", image=picture)
    assert unfit.value.code == "not_in_scope"


def test_a_limit_is_told_with_when_to_come_back(
    keyed: KeyedStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "LONGEST_PAUSE_S", 0.01)
    limited = Studio(keyed.studio.stack.api_url, key_of(keyed, limits=Limits(rate_per_minute=2)))
    limited.workers()
    limited.workers()
    with pytest.raises(TooManyRequests) as reached:
        limited.workers()
    assert reached.value.code == "rate_limited"
    assert (reached.value.retry_after_s or 0) >= 1


def test_the_command_line_takes_the_key_from_its_variable(
    keyed: KeyedStudio, picture: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    words = ["run", "copy", "--image", str(picture), "-o", str(out)]
    env = {"STUDIO_URL": keyed.studio.stack.api_url, "STUDIO_API_KEY": key_of(keyed)}
    ran = CliRunner().invoke(app, words, env=env)
    assert ran.exit_code == 0, ran.output
    assert out.read_bytes() == picture.read_bytes()
    refused = CliRunner().invoke(app, words, env={**env, "STUDIO_API_KEY": ""})
    assert refused.exit_code == 1
    assert "key_missing" in refused.stderr
