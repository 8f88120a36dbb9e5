"""The Dagster config that is derived from an operation's parameters."""

from typing import Literal

import dagster as dg
import pytest
from dagster._core.errors import DagsterInvalidConfigError
from pydantic import BaseModel, Field
from twelfth_operation.file_copy import FileCopy

from studio_pipelines.parameter_config import dagster_config_of


class Curve(BaseModel):
    points: list[float]


class Everything(BaseModel):
    size: int
    strength: float = Field(1.0, description="How much.")
    invert: bool = False
    mode: Literal["fast", "exact"] = "fast"
    level: Literal[1, 2] = 1
    title: str | None = None
    box: tuple[int, int, int, int] | None = None
    colour: str | list[float] = "#ffffff"
    curve: Curve | None = None


def seen_by_an_op(config: dict[str, object]) -> dict[str, object]:
    """Run a job of one op with that config, and return what the op sees of it."""
    seen: dict[str, object] = {}

    @dg.op(config_schema=dagster_config_of(Everything))
    def look(context: dg.OpExecutionContext) -> None:
        seen.update(context.op_config)

    @dg.job
    def look_job() -> None:
        look()

    assert look_job.execute_in_process(run_config={"ops": {"look": {"config": config}}}).success
    return seen


@pytest.mark.parametrize(
    "config",
    [
        {"size": 3},
        {"size": 3, "strength": 0.5, "invert": True, "mode": "exact", "level": 2},
        {"size": 3, "strength": 2, "title": None},
        {"size": 3, "title": "a", "box": [0, 0, 9, 9], "colour": [0.5, 0.5, 0.5]},
        {"size": 3, "curve": {"points": [0, 0.5, 1]}, "colour": "#ff0000"},
    ],
)
def test_what_the_parameters_admit_passes_unchanged(config: dict[str, object]) -> None:
    assert seen_by_an_op(config) == config
    Everything.model_validate(config)


@pytest.mark.parametrize(
    "config", [{}, {"size": "large"}, {"size": 3, "invert": "yes"}, {"size": 3, "colr": "red"}]
)
def test_what_has_another_type_or_name_is_refused_before_the_op(config: dict[str, object]) -> None:
    with pytest.raises(DagsterInvalidConfigError):
        seen_by_an_op(config)


def test_the_launchpad_gets_names_and_descriptions() -> None:
    fields = dagster_config_of(FileCopy)
    assert set(fields) == set(FileCopy.model_fields)
    assert fields["seconds_taken"].description == "How long to take."
    assert not fields["seconds_taken"].is_required
    assert dagster_config_of(Everything)["size"].is_required
