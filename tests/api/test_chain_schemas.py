"""Bodies that are derived from a chain's declaration."""

import pytest
from copy_chains import CHAINS
from twelfth_operation.file_copy import OPERATION

from api.chain_schemas import chain_body_model, parse_chain_submission
from api.errors import InvalidRequest
from studio_pipelines.catalogue import operations
from studio_pipelines.chain import Chain, LinkedChain, Step, Steps


def grade_twice(step: Steps) -> None:
    """Grade a picture, and grade what came out."""
    step["second"](image=step["first"]())


GRADE = Chain(
    "grade-twice",
    grade_twice,
    (
        Step("grading_apply", alias="first"),
        Step("grading_apply", alias="second", defaults={"format": "webp"}),
    ),
).linked(operations())
TWICE, JOIN = (chain.linked({"file_copy": OPERATION}) for chain in CHAINS[:2])


def test_a_request_becomes_one_order_of_each_step() -> None:
    body = {
        "image": "asset:a",
        "lut": "asset:l",
        "first": {"exposure": 1},
        "second": {"lut": "asset:m", "contrast": 1.5},
        "priority": 8,
        "async": True,
    }
    submission = parse_chain_submission(GRADE, body)
    assert submission.inputs == {"image": "asset:a", "lut": "asset:l", "second.lut": "asset:m"}
    assert (submission.run.priority, submission.run.async_) == (8, True)
    order = submission.order({"image": "a", "lut": "l", "second.lut": "m"})
    assert order.run_config() == {
        "ops": {
            "first": {"config": {"exposure": 1.0}, "inputs": {"image": "a", "lut": "l"}},
            "second": {"config": {"format": "webp", "contrast": 1.5}, "inputs": {"lut": "m"}},
        }
    }
    assert order.timeout_s == GRADE.chain.timeout_s


def test_an_input_that_steps_share_is_the_graphs() -> None:
    submission = parse_chain_submission(JOIN, {"image": ["asset:a", "asset:b"]})
    config = submission.order({"image": ["a", "b"]}).run_config()
    assert config == {
        "inputs": {"image": ["a", "b"]},
        "ops": {"file_copy": {"config": {}}, "files_join": {"config": {"between": "+"}}},
    }


def test_a_form_names_a_steps_field_with_a_dot() -> None:
    body = {"image": "asset:a", "second.lut": "asset:m", "second": {"contrast": 2}}
    submission = parse_chain_submission(GRADE, body)
    assert submission.inputs["second.lut"] == "asset:m"
    assert submission.parameters["second"] == {"contrast": 2.0}


@pytest.mark.parametrize(
    ("chain", "fields", "field"),
    [
        (TWICE, {"image": None}, "image"),
        (GRADE, {"second": {"contrast": -1}}, "second.contrast"),
        (GRADE, {"second": {"image": "asset:b"}}, "second.image"),
        (GRADE, {"first": {"lut": "asset:b"}}, "first.lut"),
        (GRADE, {"second": 3}, "second"),
        (GRADE, {"second": {"cdl": {"slope": [1, 1]}}}, "second.cdl.slope.2"),
        (GRADE, {"second.exposure": 1, "second": {"exposure": 1}}, "second"),
        (GRADE, {"exposure": 1}, "exposure"),
        (GRADE, {"lut": ["asset:b"]}, "lut"),
        (TWICE, {"fileCopy": {}}, "fileCopy"),
        (TWICE, {"file_copy": {"secondsTaken": 61}}, "file_copy.secondsTaken"),
        (TWICE, {"third": {}}, "third"),
        (TWICE, {"priority": 10}, "priority"),
    ],
)
def test_a_field_that_cannot_be_used_is_named(
    chain: LinkedChain, fields: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_chain_submission(chain, {"image": "asset:a", **fields})
    assert caught.value.field == field


@pytest.mark.parametrize("chain", [GRADE, TWICE, JOIN])
def test_the_schema_shows_a_steps_name_as_it_is(chain: LinkedChain) -> None:
    schema = chain_body_model(chain).model_json_schema(by_alias=True)
    assert set(chain.ops) | set(chain.inputs) <= set(schema["properties"])
    required = [name for name, one in chain.inputs.items() if one.required]
    assert schema.get("required", []) == required
    assert schema["additionalProperties"] is False
    for body in chain.chain.examples.values():
        parse_chain_submission(chain, dict(body))


def test_a_step_has_its_own_defaults() -> None:
    definitions = chain_body_model(GRADE).model_json_schema(by_alias=True)["$defs"]
    formats = {name: one["properties"].get("format") for name, one in definitions.items()}
    assert formats["GradeTwiceFirst"]["default"] == "png"
    assert formats["GradeTwiceSecond"]["default"] == "webp"
    assert formats["GradeTwiceSecond"]["enum"] == formats["GradeTwiceFirst"]["enum"]
