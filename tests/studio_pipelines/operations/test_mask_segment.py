"""Segmenting jobs, each in this process, on real pictures and the real network."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
import pyvips
import tiny_sam2
from PIL import Image
from running_studio import RunningStudio, problem_in

from resources.artifacts import ArtifactStore
from resources.embedding_cache import EmbeddingCache
from resources.gpu import Gpu
from resources.model_pull import pull
from resources.model_store import ModelStore
from resources.progress import Progress
from studio_pipelines.jobs import job_of
from studio_pipelines.media.image_encode import encode_picture
from studio_pipelines.media.mask_polygons import region_of_polygons
from studio_pipelines.media.mask_rle import expanded, mask_of_runs
from studio_pipelines.media.picture import Picture
from studio_pipelines.model_shelf import DECLARATIONS
from studio_pipelines.operations.mask_segment import OPERATION
from studio_pipelines.settings import load_settings

NAME = OPERATION.name
SAMPLES = Path(__file__).resolve().parents[3] / "samples"
BADGE = (170, 385, 36)  # the round badge on the astronaut's suit: x, y, radius


PULLED = ModelStore(folder=str(load_settings().models_dir), declared_in=[str(DECLARATIONS)])


class Desk:
    """A place to run segmenting jobs at, with a store and a cache of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = ArtifactStore(url=(folder / "store").as_uri())
        self.embeddings = EmbeddingCache(folder=str(folder / "embeddings"))

    def keep(self, data: bytes, media_type: str = "image/png") -> str:
        path = self.folder / "input"
        path.write_bytes(data)
        return self.store.adopt(path, media_type=media_type).id

    def keep_pixels(self, pixels: np.ndarray, kind: Any = "png") -> str:
        path = self.folder / "input"
        if pixels.ndim == 2:
            pixels = pixels[..., None]
        found = encode_picture(Picture(np.ascontiguousarray(pixels)), path, format=kind)
        return self.store.adopt(path, media_type=found.media_type.mime).id

    def keep_sample(self, name: str) -> str:
        return self.keep((SAMPLES / name).read_bytes(), "image/jpeg")

    def run(
        self,
        image: str,
        mask: str | None = None,
        models: ModelStore = PULLED,
        **config: Any,
    ) -> Any:
        inputs = {"image": image} if mask is None else {"image": image, "mask": mask}
        return job_of(OPERATION).execute_in_process(
            run_config={"ops": {NAME: {"inputs": inputs, "config": config}}},
            resources={
                "artifacts": self.store,
                "embeddings": self.embeddings,
                "gpu": Gpu(preference="cpu"),
                "models": models,
                "progress": Progress(redis_url="redis://127.0.0.1:1/0"),
                "io_manager": dg.mem_io_manager,
            },
            raise_on_error=False,
        )

    def told(self, image: str, mask: str | None = None, **config: Any) -> dict[str, Any]:
        result = self.run(image, mask, **config)
        assert result.success, [e.event_specific_data for e in result.all_events if e.is_failure]
        events = result.asset_materializations_for_node(NAME)
        return events[0].metadata["result"].value

    def fault(self, image: str, mask: str | None = None, **config: Any) -> dict[str, Any]:
        result = self.run(image, mask, **config)
        assert not result.success
        failed = next(event for event in result.all_events if event.is_step_failure)
        return failed.step_failure_data.user_failure_data.metadata["problem"].value

    def content(self, record: dict[str, Any], name: str) -> bytes:
        return self.store.open(self.store.get(record["assets"][name]["id"])).read()

    def mask(self, record: dict[str, Any], name: str = "mask") -> np.ndarray:
        image = pyvips.Image.new_from_buffer(self.content(record, name), "")
        return image.numpy().reshape(image.height, image.width)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"))


@pytest.fixture(scope="module")
def astronaut(desk: Desk) -> str:
    return desk.keep_sample("astronaut.jpg")


def disc(height: int, width: int, x: float, y: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return (one & other).sum() / (one | other).sum()


def click(x: float, y: float, label: int = 1) -> dict[str, Any]:
    return {"x": x, "y": y, "label": label}


def shapes(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A red disc on a green ground with a little noise, and the disc."""
    rng = np.random.default_rng(0)
    inside = disc(height, width, width * 0.4, height * 0.55, min(height, width) * 0.3)
    pixels = np.where(inside[..., None], (200, 40, 40), (50, 120, 70)) + rng.normal(
        0, 4, (height, width, 3)
    )
    return np.clip(pixels, 0, 255).astype(np.uint8), inside


def test_a_click_finds_the_badge(desk: Desk, astronaut: str) -> None:
    record = desk.told(astronaut, points=[click(171, 385)])
    mask = desk.mask(record)
    assert mask.shape == (512, 512)
    assert set(np.unique(mask)) == {0, 255}
    assert iou(mask > 0, disc(512, 512, *BADGE)) > 0.9
    (told,) = record["metrics"]["masks"]
    assert told["areaPx"] == (mask > 0).sum()
    left, top, right, bottom = told["box"]
    assert (mask[top:bottom, left:right] > 0).sum() == told["areaPx"]
    assert 0.8 < told["score"] <= 1
    assert record["verification"] == {
        "passed": True,
        "stability": told["stability"],
        "pointsAgree": 1.0,
    }
    assert record["model"]["name"] == "mobile-sam"
    assert record["main"] == "mask"
    preview = Image.open(io.BytesIO(desk.content(record, "preview")))
    assert preview.size == (1024, 1024)


def test_a_second_click_needs_no_encoding_and_no_decoding_of_the_picture(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = desk.keep_sample("tower.jpg")
    first = desk.told(image, points=[click(320, 200)])
    assert first["metrics"]["embeddingCached"] is False
    assert first["metrics"]["encodeMs"] > 0

    def refuse(*_: object, **__: object) -> Any:
        raise AssertionError("the picture was decoded again")

    monkeypatch.setattr("studio_pipelines.media.decoder.Decoder.picture", refuse)
    again = desk.told(image, points=[click(320, 200)])
    assert again["metrics"]["embeddingCached"] is True
    assert again["metrics"]["encodeMs"] == 0
    assert np.array_equal(desk.mask(first), desk.mask(again))
    assert desk.content(first, "preview") == desk.content(again, "preview")


def test_a_lost_cache_is_made_again(desk: Desk, astronaut: str) -> None:
    first = desk.told(astronaut, points=[click(171, 385)])
    for path in Path(desk.embeddings.folder).iterdir():
        path.write_bytes(path.read_bytes()[:1000])
    again = desk.told(astronaut, points=[click(171, 385)])
    assert again["metrics"]["embeddingCached"] is False
    assert np.array_equal(desk.mask(first), desk.mask(again))


def test_a_box_finds_what_is_in_it(desk: Desk, astronaut: str) -> None:
    x, y, radius = BADGE
    box = [x - radius, y - radius, x + radius, y + radius]
    record = desk.told(astronaut, box=box)
    assert iou(desk.mask(record) > 0, disc(512, 512, *BADGE)) > 0.9
    assert record["verification"]["shareInBox"] > 0.97


def test_a_click_outside_takes_a_part_away(desk: Desk, astronaut: str) -> None:
    suit = desk.mask(desk.told(astronaut, points=[click(120, 300), click(225, 60)])) > 0
    assert suit[385, 171]
    record = desk.told(astronaut, points=[click(120, 300), click(171, 385, 0), click(225, 60, 0)])
    less = desk.mask(record) > 0
    assert less[300, 120]
    assert not less[60, 225]
    assert less.sum() < suit.sum()


def test_a_rough_mask_is_refined(desk: Desk, astronaut: str) -> None:
    x, y, radius = BADGE
    rough = disc(512, 512, x + 6, y - 5, radius - 8).astype(np.uint8) * 255
    record = desk.told(astronaut, desk.keep_pixels(rough))
    found = desk.mask(record) > 0
    truth = disc(512, 512, *BADGE)
    assert iou(found, truth) > max(0.88, iou(rough > 0, truth) + 0.1)
    assert record["verification"]["overlapWithMask"] > 0.5


def test_multimask_gives_part_and_whole(desk: Desk, astronaut: str) -> None:
    record = desk.told(astronaut, points=[click(225, 100)], multimask=True)
    assert set(record["assets"]) == {"mask", "mask2", "mask3", "preview"}
    scores = [one["score"] for one in record["metrics"]["masks"]]
    assert scores == sorted(scores, reverse=True)
    areas = [one["areaPx"] for one in record["metrics"]["masks"]]
    assert max(areas) > 4 * min(areas)


def test_rle_and_polygons_are_the_png(desk: Desk, astronaut: str) -> None:
    points = [click(171, 385)]
    expected = desk.mask(desk.told(astronaut, points=points)) > 0
    record = desk.told(astronaut, points=points, format="rle")
    told = json.loads(desk.content(record, "masks"))
    assert record["main"] == "masks"
    assert told["size"] == {"width": 512, "height": 512}
    assert told["masks"][0]["rle"]["size"] == [512, 512]
    counts = expanded(told["masks"][0]["rle"]["counts"])
    assert np.array_equal(mask_of_runs(counts, 512, 512), expected)
    record = desk.told(astronaut, points=points, format="polygons")
    polygons = json.loads(desk.content(record, "masks"))["masks"][0]["polygons"]
    assert iou(region_of_polygons(polygons, 512, 512).whole(), expected) > 0.98


def test_feather_softens_the_edge(desk: Desk, astronaut: str) -> None:
    record = desk.told(astronaut, points=[click(171, 385)], feather=5)
    mask = desk.mask(record)
    assert mask[385, 171] == 255
    assert len(np.unique(mask)) > 50


def test_auto_finds_what_there_is(desk: Desk) -> None:
    height, width = 300, 400
    pixels = np.full((height, width, 3), (60, 90, 60), np.uint8)
    things = [
        disc(height, width, 90, 90, 45),
        disc(height, width, 300, 200, 60),
        disc(height, width, 320, 60, 25),
    ]
    for thing, colour in zip(things, ((200, 60, 60), (60, 60, 210), (230, 210, 60)), strict=True):
        pixels[thing] = colour
    record = desk.told(desk.keep_pixels(pixels), auto=True, points_per_side=12, format="rle")
    told = json.loads(desk.content(record, "masks"))["masks"]
    masks = [mask_of_runs(expanded(one["rle"]["counts"]), width, height) for one in told]
    for thing in things:
        assert max(iou(mask, thing) for mask in masks) > 0.93
    areas = [one["areaPx"] for one in told]
    assert areas == sorted(areas, reverse=True)
    for n, one in enumerate(masks):
        assert all(iou(one, other) <= 0.7 for other in masks[n + 1 :])
    assert record["verification"]["passed"] is True
    assert record["verification"]["leastStability"] >= 0.95
    few = desk.told(
        desk.keep_pixels(pixels), auto=True, points_per_side=4, max_masks=1, min_area=5000
    )
    assert set(few["assets"]) == {"mask", "preview"}
    assert few["metrics"]["masks"][0]["areaPx"] >= 5000


def test_the_subject_is_found_without_a_prompt(desk: Desk, astronaut: str) -> None:
    record = desk.told(astronaut, subject=True, model="u2netp")
    mask = desk.mask(record) > 0
    assert mask[100, 225]
    assert mask[350, 150]
    assert not mask[50, 100]
    assert 0.3 < mask.mean() < 0.75
    assert record["model"]["name"] == "u2netp"


def test_sam_2_segments_from_a_folder_of_the_users_own(desk: Desk, tmp_path: Path) -> None:
    """A small, random one: its masks mean nothing, and go the whole way."""
    weights = tiny_sam2.make(tmp_path / "weights")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "tiny.toml").write_text(tiny_sam2.declaration(weights))
    models = ModelStore(folder=str(tmp_path / "models"), declared_in=[str(DECLARATIONS)])
    pull(models.shelf, models.shelf.declarations()["tiny-sam2"], lambda _: None)
    rgb, _ = shapes(90, 160)
    image = desk.keep_pixels(rgb)
    box = [20, 10, 120, 80]
    records = [desk.told(image, models=models, box=box, multimask=True) for _ in range(2)]
    assert [one["model"]["name"] for one in records] == ["tiny-sam2"] * 2
    assert [one["metrics"]["embeddingCached"] for one in records] == [False, True]
    masks = [desk.mask(one, "mask3") for one in records]
    assert masks[0].shape == (90, 160)
    assert np.array_equal(*masks)
    record = desk.told(
        image, models=models, auto=True, points_per_side=4, min_score=0, min_stability=0
    )
    assert record["metrics"]["masks"]


PICTURES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "grey": lambda rgb: rgb[..., :1],
    "rgba": lambda rgb: np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)]),
    "16-bit": lambda rgb: rgb.astype(np.uint16) * 257,
    "float": lambda rgb: rgb.astype(np.float32) / 255,
}


@pytest.mark.parametrize("kind", PICTURES)
def test_every_kind_of_picture_is_segmented(desk: Desk, kind: str) -> None:
    rgb, inside = shapes(240, 330)
    pixels = PICTURES[kind](rgb)
    image = desk.keep_pixels(pixels, "tiff" if kind == "float" else "png")
    record = desk.told(image, points=[click(330 * 0.4, 240 * 0.55)])
    assert iou(desk.mask(record) > 0, inside) > 0.95


def test_what_is_transparent_is_in_no_mask(desk: Desk) -> None:
    rgb, inside = shapes(240, 330)
    alpha = np.full((240, 330), 255, np.uint8)
    alpha[:, :110] = 0
    image = desk.keep_pixels(np.dstack([rgb, alpha]))
    for _ in range(2):
        record = desk.told(image, points=[click(330 * 0.45, 240 * 0.55)])
        mask = desk.mask(record) > 0
        assert not mask[:, :110].any()
        assert iou(mask, inside & (alpha > 0)) > 0.93


def test_one_pixel_and_a_strip(desk: Desk) -> None:
    record = desk.told(desk.keep_pixels(np.full((1, 1, 3), 90, np.uint8)), points=[click(0, 0)])
    assert desk.mask(record).shape == (1, 1)
    strip = np.full((300, 20_000, 3), (50, 120, 70), np.uint8)
    inside = disc(300, 20_000, 12_345, 160, 90)
    strip[inside] = (200, 40, 40)
    record = desk.told(desk.keep_pixels(strip), points=[click(12_345, 160)])
    assert iou(desk.mask(record) > 0, inside) > 0.95
    assert "strip of 20000 x 300" in record["notes"][-1]


def test_the_picture_is_upright(desk: Desk) -> None:
    record = desk.told(desk.keep_sample("rocket-sideways.jpg"), points=[click(320, 200)])
    assert desk.mask(record).shape == (427, 640)


def test_an_animation_is_its_first_frame(desk: Desk, tmp_path: Path) -> None:
    rgb, inside = shapes(120, 160)
    frames = [Image.fromarray(rgb), Image.fromarray(rgb[::-1])]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    image = desk.keep((tmp_path / "a.webp").read_bytes(), "image/webp")
    record = desk.told(image, points=[click(64, 66)])
    assert iou(desk.mask(record) > 0, inside) > 0.93
    assert record["notes"]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "nothing is meant": ({}, "points"),
    "auto and a box": ({"auto": True, "box": [1, 1, 9, 9]}, "box"),
    "auto and subject": ({"auto": True, "subject": True}, "subject"),
    "auto and multimask": ({"auto": True, "multimask": True}, "multimask"),
    "a point beside the picture": ({"points": [click(600, 20)]}, "points"),
    "a box beside the picture": ({"box": [600, 0, 700, 40]}, "box"),
    "an empty box": ({"box": [30, 20, 30, 40]}, "box"),
    "points outside alone": ({"points": [click(30, 20, 0)]}, "points"),
    "soft run lengths": ({"box": [1, 1, 90, 90], "format": "rle", "feather": 3}, "feather"),
    "a model that finds subjects": ({"box": [1, 1, 90, 90], "model": "u2netp"}, "model"),
    "a model that is not here": ({"box": [1, 1, 90, 90], "model": "sam2.1-hiera-large"}, "model"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_done_is_refused(desk: Desk, astronaut: str, name: str) -> None:
    config, field = WRONG[name]
    found = desk.fault(astronaut, **config)
    assert (found["status"], found["field"]) == (422, field)
    assert found["hint"]


def test_masks_that_do_not_fit_are_refused(desk: Desk, astronaut: str) -> None:
    for mask in (np.full((10, 10), 255, np.uint8), np.zeros((512, 512), np.uint8)):
        assert desk.fault(astronaut, desk.keep_pixels(mask))["field"] == "mask"


def test_a_broken_picture_is_refused(desk: Desk) -> None:
    whole = (SAMPLES / "astronaut.jpg").read_bytes()
    found = desk.fault(desk.keep(b"\xff\xd8\xff" + whole[400:900]), points=[click(1, 1)])
    assert (found["code"], found["field"]) == ("unusable_media", "image")


@pytest.mark.stack
def test_the_route_answers_with_the_mask(media_studio: RunningStudio, samples: Path) -> None:
    image = media_studio.upload((samples / "astronaut.jpg").read_bytes())
    body = {"image": image, "points": [{"x": 171, "y": 385}]}
    png = media_studio.content(media_studio.made("mask_segment", **body))
    assert iou(pyvips.Image.new_from_buffer(png, "").numpy() > 0, disc(512, 512, *BADGE)) > 0.9
    body["points"] = [{"x": 171, "y": 385, "label": 2}]
    problem = problem_in(
        media_studio.client.post("/api/segment/mask", json=body), 422, "invalid_request"
    )
    assert problem["field"].startswith("points")
