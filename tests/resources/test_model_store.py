"""Choosing a model: what is declared, what is here, and what the licence policy admits."""

from pathlib import Path

import dagster as dg
import pytest
from loopback_models import declare, get

from resources.model_declaration import read_declarations
from resources.model_folder import ModelState
from resources.model_pull import Step, pull, remove, unused_folders, verify
from resources.model_shelf import LicenceRefused, ModelNotInstalled, ModelShelf, UnknownModel
from resources.model_store import ModelStore
from studio_pipelines.operation import ModelIdentity

WORKER = "audio-demixer"


@pytest.fixture
def shelf(tmp_path: Path) -> ModelShelf:
    folder = tmp_path / "models"
    folder.mkdir()
    return ModelShelf(folder, ())


def test_auto_is_the_best_that_is_here(shelf: ModelShelf) -> None:
    for name, rank in (("small", 1), ("good", 2), ("huge", 3)):
        declare(shelf.folder, name, rank=rank)
    get(shelf, "small")
    assert shelf.choose(WORKER).name == "small"
    get(shelf, "good")
    assert shelf.choose(WORKER, "auto").name == "good"
    assert shelf.choose(WORKER, "small").name == "small"


def test_an_absent_model_is_refused_with_the_command_that_gets_it(shelf: ModelShelf) -> None:
    declare(shelf.folder, "large", rank=9)
    declare(shelf.folder, "little", embedded=True)
    for name, told in (("large", "large"), ("auto", "little")):
        with pytest.raises(ModelNotInstalled) as caught:
            shelf.choose(WORKER, name)
        assert caught.value.status == 422
        assert caught.value.field == "model"
        assert caught.value.hint is not None
        assert caught.value.hint.endswith(f"studio models pull {told}")
    assert shelf.best(WORKER) is None


def test_an_unknown_model_is_refused_with_those_there_are(shelf: ModelShelf) -> None:
    declare(shelf.folder, "one", rank=1)
    declare(shelf.folder, "two", rank=2)
    with pytest.raises(UnknownModel) as caught:
        shelf.choose(WORKER, "three")
    assert caught.value.hint == "There are: auto, two, one."
    with pytest.raises(UnknownModel):
        shelf.choose("depth-estimator", "one")
    with pytest.raises(UnknownModel):
        shelf.choose("depth-estimator")


def test_the_policy_refuses_what_it_does_not_admit(shelf: ModelShelf) -> None:
    declare(shelf.folder, "free", rank=1)
    declare(shelf.folder, "study", rank=2, commercial_use=False)
    with pytest.raises(LicenceRefused):
        get(shelf, "study")
    for_research = ModelShelf(shelf.folder, (), "research")
    get(for_research, "study")
    get(for_research, "free")
    assert for_research.choose(WORKER).name == "study"
    # On the disk all the same, and not taken.
    assert shelf.choose(WORKER).name == "free"
    with pytest.raises(LicenceRefused) as caught:
        shelf.choose(WORKER, "study")
    assert "MIT" in caught.value.message
    assert caught.value.hint is not None
    assert "STUDIO_LICENCE_POLICY=research" in caught.value.hint


def test_models_of_another_role_are_asked_for_by_it(shelf: ModelShelf) -> None:
    declare(shelf.folder, "speaker", rank=1)
    declare(shelf.folder, "encoder", rank=9, role="speaker-encoder")
    get(shelf, "speaker")
    get(shelf, "encoder")
    assert shelf.choose(WORKER).name == "speaker"
    assert shelf.choose(WORKER, role="speaker-encoder").name == "encoder"


def test_an_installed_model_tells_its_files_and_what_it_is(shelf: ModelShelf) -> None:
    declare(shelf.folder, "good")
    get(shelf, "good")
    good = shelf.choose(WORKER)
    assert good.path("w.bin").read_bytes() == b"good"
    assert good.folder == good.path("w.bin").parent
    assert len(good.sha256) == 64
    assert ModelIdentity.of(good) == ModelIdentity("good", "1", "MIT", "folder")
    with pytest.raises(KeyError, match=r"no file 'x\.bin'"):
        good.path("x.bin")


def test_the_rows_of_the_api_tell_state_licence_and_size(shelf: ModelShelf) -> None:
    declare(shelf.folder, "here", rank=1)
    declare(shelf.folder, "there", rank=2, commercial_use=False)
    get(shelf, "here")
    there, here = shelf.rows(WORKER)
    assert (there["name"], there["state"], there["admitted"], there["bytes"]) == (
        "there",
        "absent",
        False,
        None,
    )
    assert (here["name"], here["state"], here["admitted"], here["bytes"]) == (
        "here",
        "on_disk",
        True,
        4,
    )
    assert shelf.rows("depth-estimator") == []


def test_a_changed_file_makes_the_model_damaged(shelf: ModelShelf) -> None:
    declare(shelf.folder, "good")
    get(shelf, "good")
    weights = shelf.folder.parent / "weights" / "good" / "a.bin"
    weights.write_bytes(b"evil")
    assert shelf.state(shelf.declarations()["good"]) is ModelState.DAMAGED
    with pytest.raises(ModelNotInstalled, match="is damaged"):
        shelf.choose(WORKER, "good")
    assert verify(shelf, shelf.declarations()["good"]) == ("w.bin",)


def test_removing_leaves_nothing_and_says_whether_there_was_something(shelf: ModelShelf) -> None:
    declare(shelf.folder, "good")
    get(shelf, "good")
    assert remove(shelf, "good") is True
    assert remove(shelf, "good") is False
    assert shelf.installed("good") is None
    assert {path.name for path in shelf.folder.iterdir()} == {".scratch", "good.toml"}
    assert shelf.folder.parent.joinpath("weights", "good", "a.bin").is_file()


def test_what_no_declaration_names_is_found(shelf: ModelShelf) -> None:
    declare(shelf.folder, "good")
    get(shelf, "good")
    assert unused_folders(shelf) == []
    declared = shelf.folder / "good.toml"
    declared.write_text(declared.read_text().replace('version = "1"', 'version = "2"'))
    assert [name.partition("-")[0] for name in unused_folders(shelf)] == ["good/1"]


def test_an_op_is_given_the_store(shelf: ModelShelf) -> None:
    declare(shelf.folder, "good")
    get(shelf, "good")

    @dg.op
    def load(models: ModelStore) -> str:
        return models.choose(WORKER).path("w.bin").read_text()

    @dg.job
    def job() -> None:
        load()

    store = ModelStore(folder=str(shelf.folder), declared_in=[])
    result = job.execute_in_process(resources={"models": store})
    assert result.output_for_node("load") == "good"


def test_the_studios_own_declarations_hold_together() -> None:
    from studio_pipelines.catalogue import ROSTER
    from studio_pipelines.model_shelf import DECLARATIONS

    declared = read_declarations([DECLARATIONS])
    assert "spleeter-2stems" in declared
    workers = {worker.id for worker in ROSTER}
    for one in declared.values():
        assert set(one.serves) <= workers, one.name
        if one.embedded:
            # What set-up pulls unasked is pinned whole.
            assert all(file.sha256 and file.size_bytes for file in one.files), one.name
            assert one.commercial_use, one.name


def test_steps_are_told_in_order(shelf: ModelShelf) -> None:
    declare(shelf.folder, "good")
    told: list[Step] = []
    pull(shelf, shelf.declarations()["good"], told.append)
    assert [step.stage for step in told] == ["fetching", "checking"]
    told.clear()
    pull(shelf, shelf.declarations()["good"], told.append)
    assert told == []
