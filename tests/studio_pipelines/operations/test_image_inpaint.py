from pathlib import Path

import numpy as np
import pytest
import pyvips
from PIL import Image
from running_studio import RunningStudio, problem_in, uri

from studio_pipelines.contract.assets import Asset
from studio_pipelines.contract.jobs import JobData

pytestmark = pytest.mark.stack
ROUTE = "/api/retouch/inpaint"


def png_of(pixels: np.ndarray) -> bytes:
    deep = pixels.dtype == np.uint16
    grey = pixels.ndim == 2
    kind = ("grey16" if deep else "b-w") if grey else ("rgb16" if deep else "srgb")
    image = pyvips.Image.new_from_array(np.ascontiguousarray(pixels))
    return image.copy(interpretation=kind).write_to_buffer(".png")


def disc(height: int, width: int, row: int, column: int, radius: int) -> np.ndarray:
    y, x = np.ogrid[:height, :width]
    return (y - row) ** 2 + (x - column) ** 2 <= radius**2


def mask_png(mask: np.ndarray) -> bytes:
    return png_of(mask.astype(np.uint8) * 255)


def photo(samples: Path) -> np.ndarray:
    return pyvips.Image.new_from_file(str(samples / "tower.jpg")).numpy()


def picture_of(studio: RunningStudio, found: JobData | Asset) -> pyvips.Image:
    return pyvips.Image.new_from_buffer(studio.content(found), "")


def psnr(before: np.ndarray, after: np.ndarray, mask: np.ndarray) -> float:
    error = before[mask].astype(float) - after[mask]
    return 10 * np.log10(255**2 / np.mean(error**2))


def test_a_painted_over_sky_is_sky_again(media_studio: RunningStudio, samples: Path) -> None:
    truth = photo(samples)
    mask = disc(*truth.shape[:2], 80, 480, 30)
    damaged = truth.copy()
    damaged[mask] = (255, 0, 255)
    data = media_studio.made("image_inpaint", image=uri(png_of(damaged)), mask=uri(mask_png(mask)))
    after = picture_of(media_studio, data).numpy()
    assert psnr(truth, after, mask) > 30
    used = picture_of(media_studio, data.assets["mask"]).numpy() > 127
    grown = disc(*mask.shape, 80, 480, 34)
    assert (used[mask]).all()
    assert np.mean(used == grown) > 0.9995
    assert np.array_equal(after[~used], damaged[~used])
    told = data.verification
    assert told["outsideUnchanged"] is True
    assert told["passed"] is True
    assert told["seamScore"] < 1.3
    assert 0 < told["fillUncertainty"] < 10
    assert data.model.name == "studio-patchmatch"
    assert data.metrics["windows"] == 1
    assert set(data.assets) == {"image", "mask", "preview"}


def test_what_is_clicked_on_goes(media_studio: RunningStudio, samples: Path) -> None:
    truth = photo(samples)
    thing = disc(*truth.shape[:2], 80, 480, 30)
    damaged = truth.copy()
    damaged[thing] = (255, 0, 255)
    points = [{"x": 480, "y": 80}]
    data = media_studio.made("image_inpaint", image=uri(png_of(damaged)), points=points)
    used = picture_of(media_studio, data.assets["mask"]).numpy() > 127
    assert used[thing].mean() > 0.99
    assert used.sum() < 1.6 * thing.sum()
    after = picture_of(media_studio, data).numpy()
    assert psnr(truth, after, thing) > 28
    assert "The mask was made from the points by mobile-sam." in data.notes


def test_fill_replaces_exactly_the_mask(media_studio: RunningStudio, samples: Path) -> None:
    truth = photo(samples)
    mask = disc(*truth.shape[:2], 200, 300, 12)
    data = media_studio.made(
        "image_inpaint", image=uri(png_of(truth)), mask=uri(mask_png(mask)), task="fill"
    )
    used = picture_of(media_studio, data.assets["mask"]).numpy() > 127
    assert np.array_equal(used, mask)


def test_sixteen_bits_keep_depth_profile_and_every_other_bit(
    media_studio: RunningStudio, samples: Path
) -> None:
    source = (samples / "coffee-p3-16bit.png").read_bytes()
    before = pyvips.Image.new_from_buffer(source, "")
    data = media_studio.made("image_inpaint", image=uri(source), box=[40, 30, 70, 60], task="fill")
    after = picture_of(media_studio, data)
    assert after.format == "ushort"
    assert after.get("icc-profile-data") == before.get("icc-profile-data")
    changed = (before.numpy() != after.numpy()).any(axis=-1)
    assert changed[30:60, 40:70].mean() > 0.9
    changed[30:60, 40:70] = False
    assert not changed.any()
    assert len(np.unique(after.numpy()[30:60, 40:70] % 257)) > 100, "filled with 16-bit values"


def test_alpha_is_kept_and_the_transparent_is_no_source(media_studio: RunningStudio) -> None:
    rng = np.random.default_rng(0)
    pixels = np.full((96, 96, 4), 255, np.uint8)
    pixels[..., :3] = rng.integers(90, 110, (96, 96, 3))
    pixels[:, 48:, :3], pixels[:, 48:, 3] = (255, 0, 0), 0
    mask = disc(96, 96, 48, 40, 6)
    data = media_studio.made("image_inpaint", image=uri(png_of(pixels)), mask=uri(mask_png(mask)))
    after = picture_of(media_studio, data).numpy()
    assert np.array_equal(after[..., 3], pixels[..., 3])
    assert after[..., 0][mask & (pixels[..., 3] > 0)].max() < 130


def test_a_seed_gives_the_same_picture_and_another_seed_another(
    media_studio: RunningStudio, samples: Path
) -> None:
    body = {"image": uri(png_of(photo(samples))), "box": [200, 250, 250, 300]}
    made = [media_studio.made("image_inpaint", **body, seed=seed) for seed in (5, 5, 6)]
    same, again, other = (picture_of(media_studio, one).numpy() for one in made)
    assert np.array_equal(same, again)
    assert not np.array_equal(same, other)
    assert made[2].metrics["seed"] == 6
    assert isinstance(
        media_studio.made("image_inpaint", **body, seed="random").metrics["seed"], int
    )


def test_what_is_excluded_is_not_copied(media_studio: RunningStudio) -> None:
    pixels = np.full((64, 128, 3), 60, np.uint8)
    pixels[:, 64:] = 200
    mask = disc(64, 128, 32, 64, 10)
    exclude = np.zeros((64, 128), bool)
    exclude[:, 64:] = True
    body = {"image": uri(png_of(pixels)), "mask": uri(mask_png(mask)), "task": "fill"}
    free = picture_of(media_studio, media_studio.made("image_inpaint", **body)).numpy()
    assert free[mask].max() == 200
    data = media_studio.made("image_inpaint", **body, exclude=uri(mask_png(exclude)))
    assert picture_of(media_studio, data).numpy()[24:40, 56:60].max() < 100


def test_outpaint_extends_the_canvas(media_studio: RunningStudio, samples: Path) -> None:
    truth = photo(samples)
    inside = truth[40:, 60:-50]
    data = media_studio.made(
        "image_inpaint",
        image=uri(png_of(inside)),
        task="outpaint",
        extend={"left": 60, "top": 40, "right": 50},
    )
    after = picture_of(media_studio, data).numpy()
    assert after.shape == truth.shape
    assert np.array_equal(after[40:, 60:-50], inside)
    assert (after[:30, 100:500].std(axis=(0, 1)) > 1).all()
    assert data.verification["outsideUnchanged"] is True


def test_a_lossy_format_is_not_held_to_bits(media_studio: RunningStudio, samples: Path) -> None:
    image = uri((samples / "tower.jpg").read_bytes())
    data = media_studio.made("image_inpaint", image=image, box=[10, 10, 30, 30], format="jpeg")
    assert data.verification["outsideUnchanged"] == "notApplicable"
    assert data.verification["passed"] is True


def kept_modes(samples: Path, folder: Path) -> dict[str, Path]:
    with Image.open(samples / "tower.jpg") as opened:
        small = opened.resize((96, 64))
    small.convert("CMYK").save(folder / "cmyk.tif")
    small.convert("P", palette=Image.Palette.ADAPTIVE).save(folder / "palette.png")
    small.convert("1").save(folder / "one-bit.png")
    small.convert("L").save(folder / "grey.jpg")
    grey = np.asarray(small.convert("L")).astype(np.uint16) * 257
    (folder / "grey-16.png").write_bytes(png_of(grey))
    frames = [small, small.rotate(180)]
    frames[0].save(folder / "animated.webp", save_all=True, append_images=frames[1:])
    return {path.stem: path for path in folder.iterdir()}


BANDS = {"cmyk": 3, "palette": 3, "one-bit": 1, "grey": 1, "grey-16": 1, "animated": 3}


@pytest.mark.parametrize("mode", BANDS)
def test_every_mode_of_picture_is_filled(
    media_studio: RunningStudio, samples: Path, tmp_path: Path, mode: str
) -> None:
    path = kept_modes(samples, tmp_path)[mode]
    data = media_studio.made("image_inpaint", image=uri(path.read_bytes()), box=[30, 20, 42, 32])
    after = picture_of(media_studio, data)
    assert (after.width, after.height, after.bands) == (96, 64, BANDS[mode])
    assert after.format == ("ushort" if mode == "grey-16" else "uchar")
    assert data.verification["outsideUnchanged"] is True
    if mode in ("cmyk", "animated"):
        assert data.notes


WRONG = {
    "nothing says what": ({}, "mask"),
    "a mask of another size": ({"mask": np.ones((10, 10), bool)}, "mask"),
    "a black mask": ({"mask": np.zeros((64, 96), bool)}, "mask"),
    "a white mask": ({"mask": np.ones((64, 96), bool)}, "mask"),
    "mask and box": ({"mask": np.ones((64, 96), bool), "box": [0, 0, 4, 4]}, "box"),
    "an empty box": ({"box": [30, 20, 30, 40]}, "box"),
    "a box outside": ({"box": [200, 0, 300, 40]}, "box"),
    "points beside it": ({"points": [{"x": 300, "y": 4}]}, "points"),
    "points and mask": (
        {"points": [{"x": 3, "y": 4}], "mask": np.ones((64, 96), bool)},
        "points",
    ),
    "nothing to add": ({"task": "outpaint"}, "extend"),
    "margins without outpaint": ({"box": [1, 1, 9, 9], "extend": {"left": 9}}, "extend"),
    "all excluded": ({"box": [9, 9, 19, 19], "exclude": np.ones((64, 96), bool)}, "mask"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_done_is_refused(
    media_studio: RunningStudio, samples: Path, name: str
) -> None:
    given, field = WRONG[name]
    body = {
        key: uri(mask_png(value)) if isinstance(value, np.ndarray) else value
        for key, value in given.items()
    }
    image = uri(png_of(photo(samples)[:64, :96]))
    answer = media_studio.client.post(ROUTE, json={"image": image, **body})
    assert problem_in(answer, 422, "invalid_parameter")["field"] == field
