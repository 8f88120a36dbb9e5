"""Depth jobs: on real photos with the embedded model, and with small models of the real classes."""

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import OpenImageIO
import pytest
import tiny_depth
from made_video import make_video
from op_desk import OpDesk
from PIL import Image

from resources.artifacts import ArtifactStore
from resources.model_pull import pull
from resources.model_store import ModelStore
from studio_pipelines.model_shelf import DECLARATIONS
from studio_pipelines.models.depth_anything import load_depth_anything
from studio_pipelines.operations.depth_estimate import OPERATION

RELATIVE, METRIC, PRO = (
    "tiny-depth-anything-main",
    "tiny-depth-anything-metric",
    "tiny-depth-pro-metric",
)


class Desk(OpDesk):
    """Reads maps, too."""

    def picture(self, told: dict[str, Any], name: str) -> np.ndarray:
        return self.image(told, name).numpy()

    def values(self, told: dict[str, Any]) -> np.ndarray:
        return np.load(io.BytesIO(self.asset(told, "npy")))


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder of the user's own, with small models of each kind."""
    root = tmp_path_factory.mktemp("models")
    folder = tmp_path_factory.mktemp("weights")
    declared = [
        tiny_depth.declaration(tiny_depth.depth_anything(folder / "main"), "depth-anything"),
        tiny_depth.declaration(
            tiny_depth.depth_anything(folder / "metric", "metric"), "depth-anything", "metric"
        ),
        tiny_depth.declaration(tiny_depth.depth_pro(folder / "pro"), "depth-pro", "metric"),
    ]
    (root / "own.toml").write_text("".join(declared))
    store = ModelStore(folder=str(root), declared_in=[str(DECLARATIONS)])
    for name in (RELATIVE, METRIC, PRO):
        pull(store.shelf, store.shelf.declarations()[name], lambda _: None)
    return root


@pytest.fixture
def desk(folder_store: ArtifactStore, tmp_path: Path, models_dir: Path) -> Desk:
    return Desk(OPERATION, folder_store, tmp_path, models_dir, {"process_res": 140})


def encoded(pixels: np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def photo(samples: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    with Image.open(samples / "astronaut.jpg") as image:
        seen = image.convert("RGB")
        return np.asarray(seen.resize(size) if size else seen)


def test_the_embedded_model_tells_the_near_from_the_far(
    folder_store: ArtifactStore, tmp_path: Path, samples: Path
) -> None:
    embedded = Desk(OPERATION, folder_store, tmp_path)
    told = embedded.run(
        {"model": "studio-depth-small", "process_res": None},
        image=(samples / "astronaut.jpg").read_bytes(),
    )
    assert told["main"] == "png16"
    assert set(told["assets"]) == {"png16", "exr", "npy", "preview"}
    assert (told["metrics"]["unit"], told["metrics"]["polarity"]) == ("relative", "nearIsLarge")
    assert told["verification"]["passed"] is True
    assert told["verification"]["finiteShare"] == 1
    assert told["verification"]["edgeAgreement"] > 0.6
    assert any("not measuring" in note for note in told["notes"])
    values = embedded.values(told)
    assert values.shape == (512, 512)
    # A person sits before a wall with a flag.
    assert values[250:450, 150:300].mean() > values[20:100, 20:100].mean() + 0.5


def test_each_file_holds_the_same_map_at_the_pictures_size(desk: Desk, samples: Path) -> None:
    told = desk.run({"model": RELATIVE}, image=encoded(photo(samples, (230, 170))))
    values, metrics = desk.values(told), told["metrics"]
    assert values.dtype == np.float32
    assert values.shape == (170, 230)
    assert metrics["min"] == pytest.approx(float(values.min()), abs=1e-6)
    assert metrics["max"] == pytest.approx(float(values.max()), abs=1e-6)
    shares = (values - values.min()) / np.ptp(values)
    deep = desk.picture(told, "png16")
    assert deep.dtype == np.uint16
    assert np.abs(deep.squeeze() - shares * 65535).max() <= 1
    path = desk.store.get(told["assets"]["exr"]["id"])
    with desk.store.local_path(path) as file:
        exr = OpenImageIO.ImageBuf(str(file))
        assert exr.spec().channelnames == ("Z",)
        assert np.array_equal(exr.get_pixels(OpenImageIO.FLOAT)[..., 0], values)
    assert desk.picture(told, "preview").shape == (170, 230, 3)


def test_a_picture_of_the_networks_size_comes_as_the_network_gives_it(
    desk: Desk, samples: Path, models_dir: Path
) -> None:
    """Nothing but the edge-following filter stands between it and the answer."""
    pixels = photo(samples, (140, 140))
    told = desk.run({"model": RELATIVE}, image=encoded(pixels))
    (folder,) = {path.parent for path in models_dir.glob(f"{RELATIVE}/**/model.safetensors")}
    expected = load_depth_anything(folder, "cpu").estimate(pixels, 140).values
    found = desk.values(told)
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.9
    assert found.min() >= expected.min() - 1e-6
    assert found.max() <= expected.max() + 1e-6


def test_metres_are_told_cut_off_and_turned_round(desk: Desk, samples: Path) -> None:
    image = encoded(photo(samples, (90, 70)))
    told = desk.run({"mode": "metric", "model": METRIC}, image=image)
    assert (told["metrics"]["unit"], told["metrics"]["polarity"]) == ("m", "farIsLarge")
    values = desk.values(told)
    assert 0 <= values.min() < values.max() <= 20
    middle = float(np.median(values))
    cut = desk.run({"model": METRIC, "max_depth": middle}, image=image)
    assert cut["metrics"]["max"] == pytest.approx(middle, rel=1e-5)
    turned = desk.run({"model": METRIC, "invert": True}, image=image)
    assert (turned["metrics"]["unit"], turned["metrics"]["polarity"]) == ("1/m", "nearIsLarge")
    np.testing.assert_allclose(desk.values(turned), 1 / np.maximum(values, 1e-4), rtol=1e-4)
    ranked = desk.run({"model": METRIC, "mode": "relative"}, image=image)
    assert ranked["metrics"]["polarity"] == "nearIsLarge"


def test_depth_pro_tells_the_focal_length_and_a_given_one_goes_first(
    desk: Desk, samples: Path
) -> None:
    image = encoded(photo(samples, (90, 70)))
    told = desk.run({"model": PRO}, image=image)
    assert told["metrics"]["focalLengthFrom"] == "model"
    assert told["metrics"]["focalLengthPx"] > 0
    given = desk.run({"model": PRO, "focal_length_px": 123.5}, image=image)
    assert (given["metrics"]["focalLengthFrom"], given["metrics"]["focalLengthPx"]) == (
        "given",
        123.5,
    )


def test_a_photo_on_its_side_is_upright_and_its_exif_tells_the_focal_length(
    desk: Desk, samples: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769)[0xA405] = 28
    upright = photo(samples, (120, 90))
    sideways = np.rot90(upright)
    told = desk.run({"model": RELATIVE}, image=encoded(sideways, exif=exif))
    straight = desk.run({"model": RELATIVE}, image=encoded(upright))
    assert np.array_equal(desk.values(told), desk.values(straight))
    assert told["metrics"]["focalLengthFrom"] == "exif"
    assert told["metrics"]["focalLengthPx"] == pytest.approx(28 * 150 / 43.2666, rel=1e-3)
    assert straight["metrics"]["focalLengthFrom"] == "estimated"


def test_points_have_the_pictures_colours_and_normals_are_unit(desk: Desk, samples: Path) -> None:
    pixels = photo(samples, (60, 44))
    told = desk.run(
        {"model": METRIC, "outputs": ["normals", "pointcloud", "npy"], "focal_length_px": 50.0},
        image=encoded(pixels),
    )
    head, _, body = desk.asset(told, "pointcloud").partition(b"end_header\n")
    assert b"element vertex 2640" in head
    assert told["metrics"]["points"] == 2640
    rows = np.frombuffer(body, np.dtype([("place", "<f4", 3), ("colour", "u1", 3)]))
    assert np.array_equal(rows["colour"].reshape(44, 60, 3), pixels)
    np.testing.assert_allclose(-rows["place"][:, 2].reshape(44, 60), desk.values(told), rtol=1e-6)
    facing = desk.picture(told, "normals").astype(np.float32) / 65535 * 2 - 1
    np.testing.assert_allclose(np.linalg.norm(facing, axis=-1), 1, atol=1e-3)


ODD = {
    "grey": np.tile(np.arange(80, dtype=np.uint8), (60, 1)),
    "grey 16": (np.tile(np.arange(80, dtype=np.uint16), (60, 1)) * 800),
    "transparent": np.dstack(
        [np.full((60, 80, 3), 120, np.uint8), np.tile(np.arange(80, dtype=np.uint8) * 3, (60, 1))]
    ),
    "one pixel": np.full((1, 1, 3), 77, np.uint8),
    "a line": np.tile(np.arange(256, dtype=np.uint8)[None, :, None], (1, 2, 3)),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_pictures_come_back_at_their_size(desk: Desk, name: str) -> None:
    outputs = ["png16", "exr", "npy", "preview", "normals", "pointcloud"]
    told = desk.run({"model": RELATIVE, "outputs": outputs}, image=encoded(ODD[name]))
    values = desk.values(told)
    assert values.shape == ODD[name].shape[:2]
    assert np.isfinite(values).all()
    assert told["verification"]["finiteShare"] == 1
    assert desk.picture(told, "normals").shape == (*values.shape, 3)


def test_a_very_long_picture_is_seen_in_windows(desk: Desk, samples: Path) -> None:
    wide = np.tile(photo(samples, (300, 300)), (1, 23, 1))[:, :6700]
    told = desk.run({"model": RELATIVE, "outputs": ["npy"]}, image=encoded(wide, "JPEG"))
    assert told["metrics"]["windows"] > 10
    assert desk.values(told).shape == (300, 6700)
    assert told["verification"]["finiteShare"] == 1


def test_detail_takes_tiles(desk: Desk, samples: Path) -> None:
    image = encoded(photo(samples))
    plain = desk.run({"model": RELATIVE, "outputs": ["npy"]}, image=image)
    fine = desk.run({"model": RELATIVE, "outputs": ["npy"], "detail": True}, image=image)
    assert plain["metrics"]["windows"] == 1
    assert fine["metrics"]["windows"] > 9
    first, second = desk.values(plain), desk.values(fine)
    assert np.median(second) == pytest.approx(float(np.median(first)), abs=float(np.ptp(first)) / 4)


def test_of_an_animation_the_first_picture_counts(desk: Desk) -> None:
    frames = [Image.fromarray(np.full((20, 30, 3), 40 * k, np.uint8)) for k in range(1, 4)]
    file = io.BytesIO()
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    told = desk.run({"model": RELATIVE}, image=file.getvalue())
    assert desk.values(told).shape == (20, 30)
    assert any("first" in note for note in told["notes"])


def test_a_video_comes_as_deep_grey_and_as_a_film_to_look_at(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    make_video(path, size=(160, 96), frames=7)
    told = desk.run({"model": RELATIVE}, video=path.read_bytes())
    assert told["main"] == "depth"
    assert (told["metrics"]["frames"], told["verification"]["framesStored"]) == (7, 7)
    assert (told["metrics"]["unit"], told["metrics"]["polarity"]) == ("relative", "nearIsLarge")
    stored = {}
    for name in ("depth", "preview"):
        with av.open(io.BytesIO(desk.asset(told, name))) as film:
            stream = film.streams.video[0]
            stored[name] = (
                stream.codec_context.name,
                [f.to_ndarray() for f in film.decode(stream)],
            )
    codec, frames = stored["depth"]
    assert codec == "ffv1"
    assert [(f.shape, f.dtype) for f in frames] == [((96, 160), np.uint16)] * 7
    assert min(f.min() for f in frames) == 0 or max(f.max() for f in frames) == 65535
    assert stored["preview"][0] == "h264"
    assert len(stored["preview"][1]) == 7


ANY = {"image": b"x"}
WRONG: dict[str, tuple[dict[str, Any], dict[str, bytes], tuple[str, str]]] = {
    "nothing": ({}, {}, ("invalid_parameter", "image")),
    "metres of what tells none": ({"mode": "metric"}, ANY, ("invalid_parameter", "mode")),
    "a limit in metres of none": ({"max_depth": 3.0}, ANY, ("invalid_parameter", "maxDepth")),
    "no outputs": ({"outputs": []}, ANY, ("invalid_parameter", "outputs")),
    "a film's output": ({"outputs": ["depth"]}, ANY, ("invalid_parameter", "outputs")),
    "an unknown model": ({"model": "midas"}, ANY, ("unknown_model", "model")),
    "no picture": ({}, {"image": b"not a picture at all"}, ("unsupported_media", "image")),
    "half a picture": ({}, {"image": encoded(ODD["a line"])[:60]}, ("unusable_media", "image")),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_done_is_refused(desk: Desk, name: str) -> None:
    config, files, fault = WRONG[name]
    problem = desk.refused({"model": RELATIVE, **config}, **files)
    assert (problem["code"], problem["field"]) == fault
