"""Recipes: what makes two jobs the same, and what does not."""

import io
from pathlib import Path
from typing import Any

import pytest
from copy_chains import CHAINS
from hypothesis import given
from hypothesis import strategies as st
from loopback_models import declare, get
from twelfth_operation.file_copy import OPERATION as COPY

from api.chain_schemas import parse_chain_submission
from api.recipes import Recipe, recipe_of, with_chance_resolved
from api.schemas import parse_submission
from resources.artifacts import ArtifactStore
from resources.model_shelf import ModelShelf
from studio_pipelines.operation import Operation
from studio_pipelines.operations.audio_demix import OPERATION as DEMIX
from studio_pipelines.operations.grading_apply import OPERATION as GRADE
from studio_pipelines.operations.image_inpaint import OPERATION as INPAINT
from studio_pipelines.operations.vfx_composite import OPERATION as COMPOSITE

TWICE = CHAINS[0].linked({"file_copy": COPY})


@pytest.fixture
def shelf(tmp_path: Path) -> ModelShelf:
    folder = tmp_path / "models"
    folder.mkdir()
    return ModelShelf(folder, ())


def stored(store: ArtifactStore, content: bytes) -> str:
    writer = store.new_writer()
    writer.write(io.BytesIO(content).read())
    return store.keep(writer, media_type="image/png").id


def recipe(
    store: ArtifactStore, shelf: ModelShelf, operation: Operation, image: str, **fields: Any
) -> Recipe:
    main = next(iter(operation.accepts))
    submission = parse_submission(operation, {main: "asset:x", **fields})
    return recipe_of(submission.order({main: image}), store, shelf)


def test_equal_bytes_are_the_same_input_and_others_are_not(
    folder_store: ArtifactStore, shelf: ModelShelf
) -> None:
    first, again, other = (stored(folder_store, one) for one in (b"a", b"a", b"b"))
    keys = [recipe(folder_store, shelf, COPY, image).key() for image in (first, again, other)]
    assert keys[0] == keys[1] != keys[2]


def test_a_parameter_left_out_is_its_default(
    folder_store: ArtifactStore, shelf: ModelShelf
) -> None:
    image = stored(folder_store, b"a")
    plain = recipe(folder_store, shelf, COPY, image)
    assert plain.key() == recipe(folder_store, shelf, COPY, image, secondsTaken=0).key()
    assert plain.key() != recipe(folder_store, shelf, COPY, image, secondsTaken=1).key()
    step = plain.document["steps"]["file_copy"]
    assert step["parameters"] == {"secondsTaken": 0.0, "refuse": False}
    assert step["inputs"]["image"]["asset"] == image


def test_how_a_job_is_run_is_no_part_of_it(folder_store: ArtifactStore, shelf: ModelShelf) -> None:
    image = stored(folder_store, b"a")
    plain = recipe(folder_store, shelf, COPY, image)
    other = recipe(folder_store, shelf, COPY, image, priority=9, timeoutSeconds=1, cache=False)
    assert plain.key() == other.key()


def test_owners_share_nothing(folder_store: ArtifactStore, shelf: ModelShelf) -> None:
    plain = recipe(folder_store, shelf, COPY, stored(folder_store, b"a"))
    assert len({plain.key(), plain.key("one"), plain.key("two")}) == 3


@given(st.lists(st.binary(max_size=4), min_size=1, max_size=4, unique=True))
def test_a_list_counts_by_content_and_order(contents: list[bytes]) -> None:
    store, shelf = ArtifactStore(url="memory://recipes"), ModelShelf(Path("nowhere"), ())
    submission = parse_submission(COPY, {"image": ["asset:x"] * len(contents)})

    def key(images: list[bytes]) -> str:
        ids = [stored(store, image) for image in images]
        return recipe_of(submission.order({"image": ids}), store, shelf).key()

    assert key(contents) == key(contents)
    assert (key(contents) == key(contents[::-1])) == (len(contents) == 1)


def test_auto_is_the_model_that_would_run(folder_store: ArtifactStore, shelf: ModelShelf) -> None:
    declare(shelf.folder, "small", rank=1)
    declare(shelf.folder, "good", rank=2)
    sound = stored(folder_store, b"a")

    def of(**fields: Any) -> Recipe:
        return recipe(folder_store, shelf, DEMIX, sound, **fields)

    absent = of()
    assert not absent.is_repeatable
    assert absent.document["steps"]["audio_demix"]["models"] is None
    get(shelf, "small")
    before = of()
    assert before.is_repeatable
    (model,) = before.document["steps"]["audio_demix"]["models"]
    assert (model["name"], model["licence"]) == ("small", "MIT")
    assert model["sha256"] == shelf.choose("audio-demixer").sha256
    named = of(model="small")
    get(shelf, "good")
    assert of().key() != before.key()
    assert of(model="small").key() == named.key()


def test_a_network_counts_only_where_it_is_used(
    folder_store: ArtifactStore, shelf: ModelShelf
) -> None:
    image = stored(folder_store, b"a")
    plain = recipe(folder_store, shelf, GRADE, image, exposure=1)
    assert plain.is_repeatable
    assert plain.models["grading_apply"][0].sha256 is None  # pyright: ignore
    assert not recipe(folder_store, shelf, GRADE, image, auto=True).is_repeatable


def test_a_random_seed_is_not_repeatable_and_is_told_afterwards(
    folder_store: ArtifactStore, shelf: ModelShelf
) -> None:
    image = stored(folder_store, b"a")
    drawn = recipe(folder_store, shelf, INPAINT, image, seed="random")
    assert not drawn.is_repeatable
    assert (
        recipe(folder_store, shelf, INPAINT, image).document["steps"]["image_inpaint"]["seed"] == 0
    )
    told = with_chance_resolved(drawn.document, {"metrics": {"seed": 77}})
    assert told["steps"]["image_inpaint"]["seed"] == 77
    assert told["steps"]["image_inpaint"]["parameters"]["seed"] == 77
    assert with_chance_resolved(drawn.document, None) == drawn.document


def test_a_chain_has_a_recipe_of_each_step(folder_store: ArtifactStore, shelf: ModelShelf) -> None:
    image = stored(folder_store, b"a")

    def of(**fields: Any) -> Recipe:
        submission = parse_chain_submission(TWICE, {"image": "asset:x", **fields})
        return recipe_of(submission.order({"image": image}), folder_store, shelf)

    plain = of()
    assert list(plain.document["steps"]) == ["file_copy", "again"]
    assert plain.document["steps"]["again"]["operation"] == "file_copy"
    assert plain.key() == of(again={"secondsTaken": 0}).key()
    assert plain.key() != of(again={"secondsTaken": 1}).key()
    assert of(again={"secondsTaken": 1}).key() != of(file_copy={"secondsTaken": 1}).key()


def test_a_network_counts_only_where_no_input_takes_its_place(
    folder_store: ArtifactStore, shelf: ModelShelf
) -> None:
    image = stored(folder_store, b"a")
    for name in ("mask", "trimap"):
        given = {"foreground": image, name: image}
        submission = parse_submission(COMPOSITE, dict.fromkeys(given, "asset:x"))
        found = recipe_of(submission.order(given), folder_store, shelf)
        assert found.is_repeatable
        (model,) = found.models["vfx_composite"]
        assert (model.identity.name, model.sha256) == ("studio-composite", None)
    assert not recipe(folder_store, shelf, COMPOSITE, image).is_repeatable


def test_who_finds_what_is_clicked_on_is_part_of_it(
    folder_store: ArtifactStore, shelf: ModelShelf
) -> None:
    image = stored(folder_store, b"a")
    clicked = recipe(folder_store, shelf, INPAINT, image, points=[{"x": 1, "y": 1}])
    assert not clicked.is_repeatable  # there is no segmenter
    assert recipe(folder_store, shelf, INPAINT, image).is_repeatable
