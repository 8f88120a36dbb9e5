"""The loading and running of inpainting models, on small ones of the real classes."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_inpainting_models as tiny
import torch

from studio_pipelines.errors import InvalidParameter, UnusableModel
from studio_pipelines.media.inpaint_settings import DiffusionSettings
from studio_pipelines.media.inpainting import View
from studio_pipelines.models.inpaint_engines import engine_of
from studio_pipelines.models.lama import Generator

STEPS = DiffusionSettings(prompt="a red house", steps=2, strength=1.0, seed=3)
NONE = DiffusionSettings()


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Small networks on many threads mostly wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("tiny")
    return {name: tiny.make(name, root / name) for name in tiny.MAKERS}


def filler_of(
    folders: dict[str, Path],
    name: str,
    settings: DiffusionSettings,
    previews: list[Any] | None = None,
) -> Any:
    engine = engine_of(tiny.MAKERS[name][1], {"trust_code": True})
    seen = [] if previews is None else previews
    model = engine.load(folders[name], "cpu")
    if name == "tiny-flux":
        model.default_sample_size = 32  # its class says 128, whatever the weights
    return engine.filler(model, settings, seen.append)


def view(height: int = 72, width: int = 60) -> View:
    colours = np.random.default_rng(0).uniform(0, 255, (height, width, 3)).astype(np.float32)
    hole = np.zeros((height, width), bool)
    hole[20:44, 16:40] = True
    return View(colours, hole, np.zeros_like(hole))


def repainted(one: View, mask: np.ndarray) -> View:
    return View(np.where(mask[..., None], np.float32(7), one.colours), one.hole, one.barred)


@pytest.mark.parametrize("name", tiny.MAKERS)
def test_white_is_replaced_and_black_is_looked_at(folders: dict[str, Path], name: str) -> None:
    settings = STEPS if tiny.MAKERS[name][1] == "diffusers" else NONE
    filler, one = filler_of(folders, name, settings), view(64, 64)
    told: list[float] = []
    hole = one.hole
    filled = filler(one, told.append).colours
    assert told[-1] == 1
    assert np.array_equal(filled[~hole], one.colours[~hole])
    assert np.isfinite(filled).all()
    inside = filler(repainted(one, hole), told.append).colours
    assert np.array_equal(inside[hole], filled[hole]), "what is replaced must not count"
    outside = filler(repainted(one, ~hole), told.append).colours
    assert not np.array_equal(outside[hole], filled[hole]), "the surroundings must count"


@pytest.mark.parametrize("name", ["tiny-sd", "tiny-sdxl", "tiny-flux"])
def test_a_diffusion_model_shows_its_steps_and_heeds_seed_and_prompt(
    folders: dict[str, Path], name: str
) -> None:
    previews: list[np.ndarray] = []
    told: list[float] = []
    filled = filler_of(folders, name, STEPS, previews)(view(), told.append).colours
    assert told == [0.5, 1.0]
    assert len(previews) == 2
    assert all(one.ndim == 3 and one.max() <= 255 and one.min() >= 0 for one in previews)
    again = filler_of(folders, name, STEPS)(view(), told.append).colours
    assert np.array_equal(filled, again)
    for changed in ({"seed": 4}, {"prompt": "the sky"}):
        settings = DiffusionSettings(**{**STEPS.__dict__, **changed})
        other = filler_of(folders, name, settings)(view(), told.append).colours
        assert not np.array_equal(filled, other), changed


def test_a_setting_that_a_pipeline_does_not_know_is_refused(folders: dict[str, Path]) -> None:
    settings = DiffusionSettings(prompt="a tree", negative_prompt="a house", steps=1)
    with pytest.raises(InvalidParameter) as refused:
        filler_of(folders, "tiny-flux", settings)(view(), lambda _: None)
    assert refused.value.field == "negativePrompt"
    settings = DiffusionSettings(prompt="a tree", strength=0.1, steps=5)
    with pytest.raises(InvalidParameter) as refused:
        filler_of(folders, "tiny-sd", settings)(view(), lambda _: None)
    assert refused.value.field == "steps"


def test_an_interrupt_ends_a_diffusion_between_steps(folders: dict[str, Path]) -> None:
    def stop(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        filler_of(folders, "tiny-sd", STEPS)(view(), stop)


def test_lama_as_safetensors_and_as_torchscript_is_the_same_network(
    folders: dict[str, Path],
) -> None:
    fillers = [filler_of(folders, name, NONE) for name in ("tiny-lama", "tiny-lama-script")]
    # A traced export holds on to the size that it was traced with.
    one, two = (filler(view(64, 64), lambda _: None).colours for filler in fillers)
    assert np.abs(one - two).max() < 0.01


def test_the_generator_has_the_layers_of_the_authors_checkpoint() -> None:
    names = Generator(8, 18).state_dict()
    assert sum(weights.numel() for weights in Generator().parameters()) == 50_975_875
    for name in (
        "model.1.ffc.convl2l.weight",
        "model.4.ffc.convl2g.weight",
        "model.5.conv1.ffc.convg2g.conv1.0.weight",
        "model.22.conv2.ffc.convg2g.fu.conv_layer.weight",
        "model.22.conv2.bn_g.running_var",
        "model.24.weight",
        "model.31.running_mean",
        "model.34.bias",
    ):
        assert name in names


def test_code_is_run_only_where_it_is_trusted(folders: dict[str, Path]) -> None:
    with pytest.raises(UnusableModel, match="code"):
        engine_of("lama", {}).load(folders["tiny-lama-script"], "cpu")


def test_files_of_another_kind_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"no")
    for engine, folder in (
        ("lama", tmp_path),
        ("lama", folders["tiny-sd"] / "scheduler"),
        ("diffusers", tmp_path),
    ):
        with pytest.raises(UnusableModel):
            engine_of(engine, {}).load(folder, "cpu")
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    with pytest.raises(UnusableModel, match="StableDiffusionPipeline"):
        engine_of("diffusers", {}).load(tmp_path, "cpu")
    with pytest.raises(UnusableModel):
        engine_of("guess", {})


def test_weights_that_are_pickles_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["tiny-sd"], tmp_path / "pickled")
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    torch.save({}, folder / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(UnusableModel) as refused:
        engine_of("diffusers", {}).load(folder, "cpu")
    assert str(tmp_path) not in refused.value.message
