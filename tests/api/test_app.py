"""The service as a whole: its document, and how it starts."""

from pathlib import Path

import pytest
from running_studio import RunningStudio, problem_in

from api.app import MissingBroker, create_app, make_services
from studio_pipelines.catalogue import ROSTER
from studio_pipelines.settings import load_settings


def test_without_a_broker_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("STUDIO_REDIS_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    settings = load_settings(data_dir=tmp_path)
    create_app(settings)
    with pytest.raises(MissingBroker, match="studio up"):
        make_services(settings)


def test_every_route_has_a_summary_and_a_unique_name(tmp_path: Path) -> None:
    document = create_app(load_settings(data_dir=tmp_path)).openapi()
    described = [entry for path in document["paths"].values() for entry in path.values()]
    names = [entry["operationId"] for entry in described]
    assert len(names) == len(set(names))
    assert all(entry["summary"] for entry in described)
    assert all(f"/api{worker.route}" in document["paths"] for worker in ROSTER)


@pytest.mark.stack
def test_what_there_is_not_is_a_problem_document(studio: RunningStudio) -> None:
    problem_in(studio.client.get("/api/nothing"), 404, "not_found")
    problem_in(studio.client.get("/api/test/copy"), 405, "method_not_allowed")
    assert studio.client.get("/docs").status_code == 200
