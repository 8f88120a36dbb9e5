"""The OpenAPI document: valid, whole, true, and good enough for generators."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from api.app import create_app
from api.error_catalogue import COMMANDS, GROUPS, catalogue
from api.named_schemas import ANSWERS
from studio_pipelines.catalogue import ROSTER, chains
from studio_pipelines.settings import load_settings

PROBLEM = "application/problem+json"
Document = dict[str, Any]


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Document:
    return create_app(load_settings(data_dir=tmp_path_factory.mktemp("api"))).openapi()


def _entries(document: Document) -> Iterator[tuple[str, dict[str, Any]]]:
    for group in ("paths", "webhooks"):
        for path, methods in document[group].items():
            for method, entry in methods.items():
                yield f"{method} {path}", entry


def _contents(entry: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Give each body: where it is, its media type, its schema and examples."""
    for media_type, content in entry.get("requestBody", {}).get("content", {}).items():
        yield "request", media_type, content
    for status, answer in entry["responses"].items():
        for media_type, content in answer.get("content", {}).items():
            yield status, media_type, content


def within(schema: Any) -> Any:
    """Return a schema whose references lead into the document."""
    return json.loads(json.dumps(schema).replace('"#/', '"urn:document#/'))


def test_the_document_is_valid(document: Document) -> None:
    assert document["openapi"].startswith("3.1")
    validate(document)


def test_every_operation_has_a_short_name_a_summary_and_a_described_tag(
    document: Document,
) -> None:
    tags = {tag["name"]: tag["description"] for tag in document["tags"]}
    names = [entry["operationId"] for _, entry in _entries(document)]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z][A-Za-z]{3,24}", name) for name in names)
    assert {"gradingApply", "inpaintGrade", "getJob", "uploadAsset", "followJob"} <= set(names)
    for _, entry in _entries(document):
        assert entry["summary"]
        assert all(tags[tag].endswith(".") for tag in entry["tags"])
    assert all(f"/api{worker.route}" in document["paths"] for worker in ROSTER)
    assert all(f"/api/pipelines/{name}" in document["paths"] for name in chains())


def test_a_key_is_needed_only_where_keys_are_on(document: Document, tmp_path: Path) -> None:
    keyed = create_app(load_settings(data_dir=tmp_path, require_keys=True)).openapi()
    (scheme,) = keyed["components"]["securitySchemes"]
    for where, needed in ((document, [{scheme: []}, {}]), (keyed, [{scheme: []}])):
        assert where["paths"]["/api/jobs"]["get"]["security"] == needed
        assert "security" not in where["paths"]["/healthz"]["get"]


def test_every_body_has_a_named_schema(document: Document) -> None:
    named = re.compile(r"#/components/schemas/([A-Za-z]+)")
    for where, entry in _entries(document):
        for place, media_type, content in _contents(entry):
            if "json" in media_type or "form-data" in media_type:
                schemas = content["schema"].get("oneOf", [content["schema"]])
                for one in schemas:
                    is_upload = where == "post /api/assets" and "form" in media_type
                    found = named.fullmatch(one.get("$ref", ""))
                    assert is_upload or found, (where, place, media_type)


def test_no_schema_is_there_for_nothing(document: Document) -> None:
    used = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert set(document["components"]["schemas"]) == used
    assert {model.__name__ for model in ANSWERS} <= used


def test_every_json_body_has_examples_which_its_schema_admits(document: Document) -> None:
    resource = Resource.from_contents(document, default_specification=DRAFT202012)
    registry = Registry().with_resource("urn:document", resource)
    checked = 0
    for where, entry in _entries(document):
        for place, media_type, content in _contents(entry):
            if "json" not in media_type:
                continue
            assert content["examples"], (where, place)
            validator = OAS31Validator(within(content["schema"]), registry=registry)
            for title, example in content["examples"].items():
                faults = [fault.message for fault in validator.iter_errors(example["value"])]
                assert faults == [], (where, place, title)
                checked += 1
    assert checked > 300


def test_every_error_code_has_an_example(document: Document) -> None:
    shown: dict[str, int] = {}
    for where, entry in _entries(document):
        for _, media_type, content in _contents(entry):
            if media_type == PROBLEM:
                for code, example in content["examples"].items():
                    problem = example["value"]
                    assert problem["error"]["code"] == code
                    assert problem["type"] == f"/docs/errors#{code}"
                    assert "{" not in problem["instance"]
                    assert where.split()[1].split("{")[0] in problem["instance"]
                    shown[code] = problem["status"]
    of_commands = {fault.code for fault in GROUPS[COMMANDS]}
    answered = {code: one.status for code, one in catalogue().items() if code not in of_commands}
    assert shown == answered


def test_what_says_when_to_try_again_is_documented(document: Document) -> None:
    for where, entry in _entries(document):
        for status, answer in entry["responses"].items():
            if status in ("429", "503") and PROBLEM in answer["content"]:
                assert answer["headers"]["Retry-After"]["required"], where


def test_events_and_webhooks_are_documented(document: Document) -> None:
    followed = document["paths"]["/api/jobs/{job_id}/events"]["get"]
    stream = followed["responses"]["200"]["content"]["text/event-stream"]
    assert stream["x-parsed-event"] == {"$ref": "#/components/schemas/JobEvent"}
    kinds = [one["properties"] for one in stream["schema"]["oneOf"]]
    assert [kind["data"]["contentSchema"]["$ref"].rpartition("/")[2] for kind in kinds] == [
        *("StatusData", "ProgressData", "LogData", "MetricData", "Job")
    ]
    (last_event_id,) = [one for one in followed["parameters"] if one["in"] == "header"]
    assert last_event_id["name"] == "Last-Event-ID"
    ended = document["webhooks"]["job.ended"]["post"]
    assert [one["name"] for one in ended["parameters"]] == [
        *("webhook-id", "webhook-timestamp", "webhook-signature")
    ]


def test_two_schemas_of_one_name_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from pydantic import BaseModel

    from api import named_schemas

    class Asset(BaseModel):
        other: int

    monkeypatch.setattr(named_schemas, "ANSWERS", (*named_schemas.ANSWERS, Asset))
    with pytest.raises(named_schemas.NameClash, match="Asset"):
        named_schemas.named_schemas()
