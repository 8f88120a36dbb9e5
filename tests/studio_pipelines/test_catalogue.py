"""The roster of eleven, and collecting what is built."""

import sys
from pathlib import Path

import pytest
from twelfth_operation.file_copy import OPERATION

from studio_pipelines.catalogue import ROSTER, DuplicateOperation, collect, operation_of, workers


def test_the_eleven_workers_and_their_routes() -> None:
    assert {worker.id: worker.route for worker in ROSTER} == {
        "depth-estimator": "/depth/estimate",
        "audio-demixer": "/audio/demix",
        "vfx-compositor": "/vfx/composite",
        "grading-engine": "/grading/apply",
        "inpaint-model": "/retouch/inpaint",
        "qwen-vl-max": "/remix/semantic",
        "audio-master": "/audio/master",
        "audio-tts": "/audio/tts",
        "video-stabilize": "/video/stabilize",
        "forge-training": "/forge/train",
        "mask-segmenter": "/segment/mask",
    }
    assert workers()[: len(ROSTER)] == ROSTER


def test_what_is_built_keeps_the_route_of_its_worker() -> None:
    for worker in ROSTER:
        operation = operation_of(worker)
        assert operation is None or operation.route == worker.route, worker.id


def test_a_package_gives_its_operations() -> None:
    assert collect(["twelfth_operation"]) == {"file_copy": OPERATION}
    assert collect([]) == {}


def test_operations_are_in_the_order_of_their_packages() -> None:
    both = collect(["twelfth_operation", "studio_pipelines.operations"])
    assert next(iter(both)) == "file_copy"
    assert set(both) == {"file_copy", *collect(["studio_pipelines.operations"])}


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ("", "name"),
        (", op=OP", "route"),
        (", op=OP, route='/test/other'", "worker"),
    ],
)
def test_two_operations_cannot_claim_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: str, kind: str
) -> None:
    package = tmp_path / f"claims_the_{kind}"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "another.py").write_text(
        "import dataclasses\n"
        "import dagster as dg\n"
        "from twelfth_operation.file_copy import OPERATION as FIRST\n"
        "OP = dg.OpDefinition(lambda: None, name='another')\n"
        f"OPERATION = dataclasses.replace(FIRST{changes})\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DuplicateOperation, match=f"share the {kind}"):
        collect(["twelfth_operation", package.name])
    sys.modules.pop(f"{package.name}.another")


def test_a_package_that_there_is_not() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        collect(["no_such_package"])
