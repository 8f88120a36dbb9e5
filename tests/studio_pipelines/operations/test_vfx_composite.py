"""Compositing jobs on real media, with the embedded networks."""

import io
import zipfile
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import OpenImageIO
import pytest
import pyvips
import tiny_subject
import tiny_vitmatte
from made_video import RATE
from op_desk import OpDesk

from resources.artifacts import ArtifactStore
from resources.model_pull import pull
from resources.model_store import ModelStore
from studio_pipelines.media.tone_curves import srgb_codes, srgb_light
from studio_pipelines.model_shelf import DECLARATIONS
from studio_pipelines.operations.vfx_composite import OPERATION


@pytest.fixture
def desk(folder_store: ArtifactStore, tmp_path: Path) -> OpDesk:
    return OpDesk(OPERATION, folder_store, tmp_path, usual={"model": "fast"})


def png_of(pixels: np.ndarray) -> bytes:
    deep, grey = pixels.dtype == np.uint16, pixels.ndim == 2
    kind = ("grey16" if deep else "b-w") if grey else ("rgb16" if deep else "srgb")
    image = pyvips.Image.new_from_array(np.ascontiguousarray(pixels))
    return image.copy(interpretation=kind).write_to_buffer(".png")


def disc(height: int = 96, width: int = 128, radius: int = 30) -> np.ndarray:
    y, x = np.ogrid[:height, :width]
    away = np.hypot(y - height / 2, x - width / 2)
    return np.rint(np.clip(radius + 0.5 - away, 0, 1) * 255).astype(np.uint8)


def coloured(colour: tuple[int, int, int], height: int = 96, width: int = 128) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


RED_ON_GREEN = np.where(disc()[..., None] > 127, coloured((200, 40, 30)), coloured((20, 170, 40)))


def test_a_person_is_laid_over_a_tower(desk: OpDesk, samples: Path) -> None:
    told = desk.run(
        {"light_wrap": 0.3, "outputs": ["alpha", "composite", "foreground", "exr"]},
        foreground=(samples / "astronaut.jpg").read_bytes(),
        background=(samples / "tower.jpg").read_bytes(),
    )
    assert list(told["assets"]) == sorted(told["assets"]) or told["main"] == "composite"
    assert set(told["assets"]) == {"composite", "foreground", "alpha", "exr", "preview"}
    assert told["model"]["name"] == "u2netp"
    before = pyvips.Image.new_from_file(str(samples / "astronaut.jpg"))
    after = desk.image(told, "composite")
    assert (after.width, after.height, after.bands) == (512, 512, 3)
    assert after.get("icc-profile-data") == before.get("icc-profile-data")
    alpha = desk.image(told, "alpha").numpy()
    assert alpha[100:140, 200:250].min() == 255
    assert alpha[20:100, 350:390].max() == 0
    inside = alpha == 255
    deep_inside = cv2.erode(inside.astype(np.uint8), np.ones((61, 61))) > 0
    assert np.array_equal(after.numpy()[deep_inside], before.numpy()[deep_inside])
    cut = desk.image(told, "foreground").numpy()
    assert np.array_equal(cut[..., 3], alpha)
    check = told["verification"]
    assert check["passed"] is True
    assert 0.3 < check["subjectShare"] < 0.7
    assert 0 < check["unsureShare"] < 0.15


def test_the_exr_is_light_multiplied_by_alpha(desk: OpDesk, tmp_path: Path) -> None:
    told = desk.run(
        {"refine": "none", "outputs": ["exr", "foreground", "alpha"]},
        foreground=png_of(RED_ON_GREEN),
        mask=png_of(disc()),
    )
    path = tmp_path / "seen.exr"
    path.write_bytes(desk.asset(told, "exr"))
    file = OpenImageIO.ImageInput.open(str(path))
    assert file.spec().format == "half"
    light = file.read_image("float")
    cut = desk.image(told, "foreground").numpy()
    expected = srgb_light(cut[..., :3] / 255.0) * (disc() / 255.0)[..., None]
    assert np.abs(light[..., :3] - expected).max() < 2e-3
    assert np.abs(light[..., 3] - disc() / 255.0).max() < 1e-3
    assert told["model"]["name"] == "studio-composite"


@pytest.mark.parametrize("space", ["linear", "display"])
def test_transparency_of_its_own_is_taken_as_it_is(desk: OpDesk, space: str) -> None:
    rgba = np.dstack([coloured((200, 40, 30)), disc()])
    told = desk.run({"background_colour": "#1432c8", "blend_space": space}, foreground=png_of(rgba))
    assert told["model"]["name"] == "studio-composite"
    share, above, below = (disc() / 255.0)[..., None], np.array([200, 40, 30]), [20, 50, 200]
    if space == "display":
        expected = share * above + (1 - share) * below
    else:
        light = share * srgb_light(above / 255) + (1 - share) * srgb_light(np.array(below) / 255)
        expected = srgb_codes(light) * 255
    assert np.abs(desk.image(told, "composite").numpy() - expected).max() <= 0.51


def test_a_mask_takes_the_networks_place_and_is_refined(desk: OpDesk) -> None:
    shifted = np.roll(disc(), 2, axis=1)
    told = desk.run({}, foreground=png_of(RED_ON_GREEN), mask=png_of(shifted))
    alpha = desk.image(told, "alpha").numpy().astype(float)
    assert np.abs(alpha - disc()).mean() < 0.5 * np.abs(shifted.astype(float) - disc()).mean()
    plain = desk.run({"refine": "none"}, foreground=png_of(RED_ON_GREEN), mask=png_of(shifted))
    assert np.array_equal(desk.image(plain, "alpha").numpy(), shifted)


@pytest.mark.parametrize("refine", ["closedForm", "guided"])
def test_a_trimap_is_solved(desk: OpDesk, refine: str) -> None:
    trimap = np.full((96, 128), 128, np.uint8)
    trimap[disc(radius=24) == 255] = 255
    trimap[disc(radius=36) == 0] = 0
    told = desk.run({"refine": refine}, foreground=png_of(RED_ON_GREEN), trimap=png_of(trimap))
    alpha = desk.image(told, "alpha").numpy().astype(float)
    assert np.abs(alpha - disc()).mean() < (3 if refine == "closedForm" else 8)
    assert told["model"]["name"] == "studio-composite"


def test_spill_is_measured_and_taken_off(desk: OpDesk) -> None:
    share = (cv2.GaussianBlur(disc(), (0, 0), 4) / 255.0)[..., None]
    soft = np.rint(share * [150, 140, 140] + (1 - share) * [20, 200, 40]).astype(np.uint8)
    files = {"foreground": png_of(soft), "mask": png_of(cv2.GaussianBlur(disc(), (0, 0), 4))}
    config = {"refine": "none", "foreground_estimation": "none"}
    before = desk.run(config, **files)["verification"]
    after = desk.run({**config, "despill": 1.0}, **files)["verification"]
    assert before["spillLeft"] == before["spillBefore"] > 0.03
    assert after["spillLeft"] < 0.1 * before["spillLeft"]
    named = desk.run({**config, "despill": 1.0, "despill_colour": [0, 1, 0]}, **files)
    assert named["verification"]["spillLeft"] < 0.1 * before["spillLeft"]


def test_the_foreground_is_placed_and_the_background_covers(desk: OpDesk) -> None:
    rgba = np.dstack([coloured((200, 40, 30)), np.full((96, 128), 255, np.uint8)])
    rgba[0, 0, 3] = 254  # so that it has transparency of its own
    told = desk.run(
        {"size": "background", "scale": 0.5, "position": [0.25, 0.75]},
        foreground=png_of(rgba),
        background=png_of(coloured((10, 20, 30), 200, 200)),
    )
    after = desk.image(told, "composite").numpy()
    assert after.shape == (200, 200, 3)
    # Half as large as fits: 100 x 75, its middle at (50, 150).
    seen = (after == (200, 40, 30)).all(axis=-1)
    rows, columns = np.nonzero(seen)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (112, 186, 0, 99)
    assert (after[~seen] == (10, 20, 30)).all(axis=-1).mean() > 0.999


def kinds(samples: Path) -> dict[str, bytes]:
    photo = pyvips.Image.new_from_file(str(samples / "astronaut.jpg")).thumbnail_image(128)
    pixels = photo.numpy()
    return {
        "grey": png_of(pixels[..., 1].copy()),
        "sixteen-bit": png_of(pixels.astype(np.uint16) * 257),
        "one-pixel": png_of(pixels[:1, :1].copy()),
        "long": png_of(np.tile(pixels[:30], (10, 157, 1))[:, :20000].copy()),
        "float": photo.cast("float").linear(1 / 255, 0).write_to_buffer(".tif"),
        "animated": photo.join(photo, "vertical").copy().write_to_buffer(".webp"),
    }


@pytest.mark.parametrize("kind", ["grey", "sixteen-bit", "one-pixel", "long", "float", "animated"])
def test_every_kind_of_picture_is_cut_out(desk: OpDesk, samples: Path, kind: str) -> None:
    data = kinds(samples)[kind]
    before = pyvips.Image.new_from_buffer(data, "")
    told = desk.run({"background_colour": [0.2, 0.4, 0.9]}, foreground=data)
    after, alpha = desk.image(told, "composite"), desk.image(told, "alpha")
    assert (after.width, after.height) == (before.width, before.height)
    assert (alpha.width, alpha.height) == (before.width, before.height)
    deep = kind in ("sixteen-bit", "float")
    assert after.format == alpha.format == ("ushort" if deep else "uchar")
    if kind == "one-pixel":
        assert told["verification"]["passed"] in (True, False)


WRONG: dict[str, tuple[dict[str, Any], dict[str, np.ndarray | bytes], str, str]] = {
    "a mask of another size": ({}, {"mask": disc(50, 50)}, "invalid_parameter", "mask"),
    "mask and trimap": ({}, {"mask": disc(), "trimap": disc()}, "invalid_parameter", "mask"),
    "a trimap without grey": (
        {},
        {"trimap": np.where(disc() > 127, 255, 0).astype(np.uint8)},
        "invalid_parameter",
        "trimap",
    ),
    "a trimap that is not solved": (
        {"refine": "none"},
        {"trimap": disc()},
        "invalid_parameter",
        "refine",
    ),
    "a composite over nothing": (
        {"outputs": ["composite"]},
        {},
        "invalid_parameter",
        "background",
    ),
    "two backgrounds": (
        {"background_colour": "#ffffff"},
        {"background": coloured((0, 0, 0))},
        "invalid_parameter",
        "backgroundColour",
    ),
    "no outputs": ({"outputs": []}, {}, "invalid_parameter", "outputs"),
    "a video's output": ({"outputs": ["frames"]}, {}, "invalid_parameter", "outputs"),
    "off the canvas": ({"position": [3, 0.5]}, {}, "invalid_parameter", "position"),
    "far too large": ({"model": "no-such"}, {}, "unknown_model", "model"),
    "no background for its size": ({"size": "background"}, {}, "invalid_parameter", "size"),
    "a broken picture": ({}, {"foreground": b"\x89PNG\r\n\x1a\n" + bytes(40)}, "unusable_media",
                         "foreground"),
    "no picture": ({}, {"background": b"plain text"}, "unsupported_media", "background"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_done_is_refused(desk: OpDesk, name: str) -> None:
    config, files, code, field = WRONG[name]
    given = {key: one if isinstance(one, bytes) else png_of(one) for key, one in files.items()}
    problem = desk.refused(config, **{"foreground": png_of(RED_ON_GREEN), **given})
    assert (problem["code"], problem["field"]) == (code, field)


@pytest.fixture
def own_models(folder_store: ArtifactStore, tmp_path: Path) -> OpDesk:
    """A desk whose models folder has a small ViTMatte and a small BiRefNet of the user's own."""
    root = tmp_path / "models"
    weights = tiny_vitmatte.make(tmp_path / "vitmatte")
    root.mkdir()
    (root / "own.toml").write_text(
        tiny_vitmatte.declaration(weights) + tiny_subject.declaration(tmp_path / "birefnet")
    )
    store = ModelStore(folder=str(root), declared_in=[str(DECLARATIONS)])
    for name in ("tiny-vitmatte", "tiny-birefnet"):
        pull(store.shelf, store.shelf.declarations()[name], lambda _: None)
    return OpDesk(OPERATION, folder_store, tmp_path, root, {"model": "fast"})


def test_a_network_for_trimaps_takes_the_place_of_closed_form(own_models: OpDesk) -> None:
    trimap = np.full((96, 128), 128, np.uint8)
    trimap[disc(radius=24) == 255], trimap[disc(radius=36) == 0] = 255, 0
    files = {"foreground": png_of(RED_ON_GREEN), "trimap": png_of(trimap)}
    told = own_models.run({"model": "tiny-vitmatte"}, **files)
    assert told["model"] == {
        "name": "tiny-vitmatte", "version": "1", "licence": "MIT", "source": "folder",
    }  # fmt: skip
    alpha = own_models.image(told, "alpha").numpy()
    assert alpha[48, 64] == 255
    assert alpha[0, 0] == 0
    closed = own_models.run({}, **files)
    assert not np.array_equal(alpha, own_models.image(closed, "alpha").numpy())
    problem = own_models.refused({"model": "tiny-vitmatte", "refine": "guided"}, **files)
    assert problem["field"] == "refine"


def test_without_a_trimap_it_gets_one_from_what_another_network_finds(own_models: OpDesk) -> None:
    told = own_models.run({"model": "tiny-vitmatte"}, foreground=png_of(RED_ON_GREEN))
    assert told["model"]["name"] == "tiny-vitmatte"
    auto = own_models.run({"model": "auto"}, foreground=png_of(RED_ON_GREEN))
    assert auto["model"]["name"] == "tiny-birefnet"
    alpha = own_models.image(auto, "alpha").numpy()
    assert alpha[48, 64] > alpha[2, 2]


def film(path: Path, samples: Path, *, frames: int = 6, sound: bool = True) -> bytes:
    """A person who slides over a room, with a tone."""
    photo = pyvips.Image.new_from_file(str(samples / "astronaut.jpg")).thumbnail_image(160).numpy()
    with av.open(path, "w", format="mp4") as out:
        stream: Any = out.add_stream("libx264", rate=RATE, options={"crf": "8"})
        stream.width, stream.height, stream.pix_fmt = 160, 160, "yuv420p"
        voice: Any = out.add_stream("aac", rate=48_000) if sound else None
        for k in range(frames):
            shown = np.ascontiguousarray(np.roll(photo, 2 * k, axis=1))
            out.mux(stream.encode(av.VideoFrame.from_ndarray(shown, format="rgb24")))
        out.mux(stream.encode(None))
        if voice:
            samples_count = 1024
            for k in range(frames * 48_000 // RATE // samples_count):
                tone = np.sin(np.arange(samples_count) * 0.05 + k)[None].astype(np.float32) * 0.2
                frame = av.AudioFrame.from_ndarray(
                    np.repeat(tone, len(voice.layout.channels), axis=0), "fltp",
                    layout=voice.layout.name,
                )  # fmt: skip
                frame.sample_rate, frame.pts = 48_000, k * samples_count
                out.mux(voice.encode(frame))
            out.mux(voice.encode(None))
    return path.read_bytes()


def decoded(data: bytes, pixel_format: str) -> list[np.ndarray]:
    with av.open(io.BytesIO(data)) as opened:
        return [one.to_ndarray(format=pixel_format) for one in opened.decode(video=0)]


def test_a_video_is_cut_out_and_keeps_its_sound(
    desk: OpDesk, samples: Path, tmp_path: Path
) -> None:
    told = desk.run(
        {"background_colour": "#0000ff",
         "outputs": ["composite", "prores4444", "foreground", "alpha", "frames"]},
        foreground=film(tmp_path / "film.mp4", samples),
    )  # fmt: skip
    assert told["main"] == "composite"
    assert told["metrics"]["frames"] == told["verification"]["framesStored"] == 6
    assert told["verification"]["framesWithSubject"] == 6
    composite = desk.asset(told, "composite")
    shown = decoded(composite, "rgb24")
    assert len(shown) == 6
    with av.open(io.BytesIO(composite)) as opened:
        assert opened.streams.audio
        assert opened.streams.video[0].codec_context.name == "h264"
    corner = shown[0][20:60, 120:150].reshape(-1, 3).mean(axis=0)
    assert corner[2] > 200
    assert corner[:2].max() < 60
    with av.open(io.BytesIO(desk.asset(told, "prores4444"))) as opened:
        assert opened.streams.audio
        context = opened.streams.video[0].codec_context
        assert context.name == "prores"
        assert "yuva444p" in context.pix_fmt
    layers = decoded(desk.asset(told, "prores4444"), "rgba")
    keys = decoded(desk.asset(told, "alpha"), "gray")
    assert np.abs(layers[3][..., 3].astype(float) - keys[3]).mean() < 6
    with zipfile.ZipFile(io.BytesIO(desk.asset(told, "frames"))) as archive:
        assert archive.namelist() == [f"frame-{k:06d}.png" for k in range(1, 7)]
        frame = pyvips.Image.new_from_buffer(archive.read("frame-000004.png"), "").numpy()
    assert frame.shape == (160, 160, 4)
    assert np.abs(frame[..., 3].astype(float) - layers[3][..., 3]).mean() < 2


def test_a_shorter_video_below_begins_again(desk: OpDesk, samples: Path, tmp_path: Path) -> None:
    path = tmp_path / "below.mp4"
    with av.open(path, "w") as out:
        stream: Any = out.add_stream("libx264", rate=RATE, options={"crf": "8"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for grey in (60, 200):
            shown = np.full((64, 64, 3), grey, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(shown, format="rgb24")))
        out.mux(stream.encode(None))
    told = desk.run(
        {"outputs": ["composite"]},
        foreground=film(tmp_path / "film.mp4", samples, sound=False),
        background=path.read_bytes(),
    )
    corners = [one[20:60, 120:150].mean() for one in decoded(desk.asset(told, "composite"), "gray")]
    dark, bright = corners[0::2], corners[1::2]
    assert max(dark) < 110 < 150 < min(bright)


@pytest.mark.parametrize(
    ("config", "extra", "field"),
    [
        ({"outputs": ["exr"]}, None, "outputs"),
        ({}, "mask", "mask"),
        ({}, "trimap", "trimap"),
    ],
)
def test_what_is_not_for_videos_is_refused(
    desk: OpDesk,
    samples: Path,
    tmp_path: Path,
    config: dict[str, Any],
    extra: str | None,
    field: str,
) -> None:
    files = {"foreground": film(tmp_path / "film.mp4", samples, frames=2, sound=False)}
    files |= {extra: png_of(disc())} if extra else {}
    assert desk.refused(config, **files)["field"] == field


def test_a_video_below_a_picture_is_refused(desk: OpDesk, samples: Path, tmp_path: Path) -> None:
    below = film(tmp_path / "film.mp4", samples, frames=2, sound=False)
    problem = desk.refused({}, foreground=png_of(RED_ON_GREEN), background=below)
    assert (problem["code"], problem["field"]) == ("unsupported_media", "background")
