"""Bodies that are derived from an operation's declaration."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twelfth_operation.file_copy import OPERATION

from api.errors import InvalidRequest
from api.schemas import body_model, parse_submission
from studio_pipelines.catalogue import operations


def test_a_request_is_taken_apart() -> None:
    body = {"image": "asset:ast_1", "secondsTaken": 2, "async": True, "priority": 9}
    submission = parse_submission(OPERATION, body)
    assert submission.inputs == {"image": "asset:ast_1"}
    assert submission.parameters == {"seconds_taken": 2.0}
    assert submission.run.async_ is True
    assert submission.run.priority == 9
    assert submission.run.timeout_seconds is None


def test_the_main_input_may_be_a_list_and_no_other() -> None:
    images = ["asset:ast_1", "asset:ast_2"]
    assert parse_submission(OPERATION, {"image": images}).inputs == {"image": images}
    grading = operations()["grading_apply"]
    assert parse_submission(grading, {"image": images, "lut": "asset:ast_3"}).inputs == {
        "image": images,
        "lut": "asset:ast_3",
    }
    with pytest.raises(InvalidRequest) as caught:
        parse_submission(grading, {"image": images, "lut": images})
    assert caught.value.field == "lut"
    schema = body_model(OPERATION).model_json_schema(by_alias=True)["properties"]["image"]
    assert {choice["type"] for choice in schema["oneOf"]} == {"string", "array"}
    assert "1 to 64" in schema["description"]


def test_what_is_left_out_keeps_its_default() -> None:
    submission = parse_submission(OPERATION, {"image": "asset:ast_1"})
    assert submission.parameters == {}
    assert submission.run.async_ is None
    assert submission.run.priority == 5


@given(priority=st.integers(), timeout_s=st.integers())
def test_the_bounds_of_the_shared_fields(priority: int, timeout_s: int) -> None:
    body = {"image": "asset:ast_1", "priority": priority, "timeoutSeconds": timeout_s}
    if 0 <= priority <= 9 and 1 <= timeout_s <= 7 * 24 * 3600:
        assert parse_submission(OPERATION, body).run.priority == priority
        return
    with pytest.raises(InvalidRequest) as caught:
        parse_submission(OPERATION, body)
    assert caught.value.field in ("priority", "timeoutSeconds")


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"colour": "red"}, "colour", "There is no field 'colour' here."),
        ({"secondsTaken": 61}, "secondsTaken", "less than or equal to 60 (got '61')"),
        ({"refuse": "perhaps"}, "refuse", "perhaps"),
        ({"image": 3}, "image", "valid string"),
        ({"image": ["asset:ast_1", 3]}, "image.1", "valid string"),
        ({"image": []}, "image", "at least 1 item"),
        ({"image": ["asset:ast_1"] * 65}, "image", "at most 64 items"),
        ({"image": "x" * 500, "priority": "x" * 500}, "priority", "got 'xxx"),
    ],
)
def test_a_fault_names_its_field_and_its_value(
    fields: dict[str, object], field: str, message: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_submission(OPERATION, {"image": "asset:ast_1", **fields})
    assert caught.value.field == field
    assert message in caught.value.message
    assert len(caught.value.message) < 250


def test_a_missing_input_is_named() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_submission(OPERATION, {})
    assert caught.value.field == "image"


def test_every_schema_admits_its_own_examples_and_nothing_unknown() -> None:
    for operation in (OPERATION, *operations().values()):
        schema = body_model(operation).model_json_schema(by_alias=True)
        assert schema["additionalProperties"] is False
        assert set(operation.required_inputs) <= set(schema.get("required", []))
        for body in operation.examples.values():
            parse_submission(operation, dict(body))
