"""Demucs beside upstream's own way to apply it, with small models of the real class."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import demucs.api
import demucs.apply
import numpy as np
import pytest
import torch
import yaml
from tiny_demucs import SOURCES, save_model

from studio_pipelines.errors import InvalidParameter, UnusableModel
from studio_pipelines.media.sample_store import SoundInMemory
from studio_pipelines.models.demucs_checkpoint import load_demucs
from studio_pipelines.models.demucs_separation import DemucsSeparation, DemucsSettings

RATE_HZ = 44_100


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demucs")
    for seed, name in enumerate(("aaaa", "bbbb")):
        save_model(folder, name, seed)
    weights = [[1.0, 0.0, 1.0, 0.5], [0.0, 1.0, 1.0, 0.25]]
    (folder / "one.yaml").write_text(yaml.safe_dump({"models": ["aaaa"]}))
    (folder / "two.yaml").write_text(
        yaml.safe_dump({"models": ["aaaa", "bbbb"], "weights": weights, "segment": 0.5})
    )
    return folder


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    rng = np.random.default_rng(0)
    return (0.1 * rng.standard_normal((RATE_HZ * 6 // 5 + 123, 2)) + 0.01).astype(np.float32)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """So small a model is slower with more, and much slower where others use the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(
    ("name", "shifts", "overlap", "segment_s"),
    [
        ("one", 0, 0.25, None),
        ("one", 1, 0.75, None),
        ("two", 2, 0.25, None),
        ("two", 1, 0.0, 0.4),
    ],
)
def test_it_is_what_upstream_computes(
    bags: Path,
    noise: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    shifts: int,
    overlap: float,
    segment_s: float | None,
) -> None:
    # Upstream draws from the global generator, from which its transformer draws too.
    monkeypatch.setattr(demucs.apply, "random", random.Random(7))
    upstream = demucs.api.Separator(
        name, repo=bags, device="cpu", shifts=shifts, overlap=overlap, segment=segment_s
    )
    _, expected = upstream.separate_tensor(torch.from_numpy(noise.T))
    settings = DemucsSettings(shifts, overlap, segment_s, seed=7)
    separation = DemucsSeparation(load_demucs(bags, name), settings)
    shares: list[float] = []
    blocks = list(separation.separate(SoundInMemory(noise), tuple(SOURCES), shares.append))
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] < 1
    for stem in SOURCES:
        found = np.concatenate([block[stem] for block in blocks]).T
        assert np.abs(expected[stem].numpy()).max() > 1e-3
        np.testing.assert_allclose(found, expected[stem].numpy(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("frames", [1, 100])
@pytest.mark.usefixtures("one_thread")
def test_the_shortest_sounds_keep_their_length(bags: Path, frames: int) -> None:
    sound = SoundInMemory(np.full((frames, 2), 0.25, np.float32))
    separation = DemucsSeparation(load_demucs(bags, "one"), DemucsSettings())
    blocks = list(separation.separate(sound, ("vocals",)))
    assert sum(len(block["vocals"]) for block in blocks) == frames
    assert all(np.isfinite(block["vocals"]).all() for block in blocks)


def test_a_segment_longer_than_the_training_is_refused(bags: Path) -> None:
    with pytest.raises(InvalidParameter, match=r"0\.1 to 0\.55 s, not 3") as caught:
        DemucsSeparation(load_demucs(bags, "one"), DemucsSettings(segment_s=3))
    assert caught.value.field == "segment"


class Payload:
    """Unpickled, it would write a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.target,)


def test_a_pickle_of_tensors_needs_no_trust_and_another_does(tmp_path: Path) -> None:
    save_model(tmp_path, "mine", 3)
    (tmp_path / "mine.safetensors").unlink()
    assert load_demucs(tmp_path, "mine").sources == tuple(SOURCES)
    package = torch.load(tmp_path / "mine.th", weights_only=False)
    torch.save({**package, "more": Payload(tmp_path / "touched")}, tmp_path / "mine.th")
    with pytest.raises(UnusableModel, match="more than tensors") as caught:
        load_demucs(tmp_path, "mine")
    assert "trust_pickle" in (caught.value.hint or "")
    assert not (tmp_path / "touched").exists()
    load_demucs(tmp_path, "mine", trust_pickle=True)
    assert (tmp_path / "touched").exists()


def test_only_classes_of_demucs_are_made(tmp_path: Path) -> None:
    save_model(tmp_path, "mine", 3, klass="subprocess.Popen")
    (tmp_path / "mine.th").unlink()
    with pytest.raises(UnusableModel, match=r"no Demucs model: 'subprocess\.Popen'"):
        load_demucs(tmp_path, "mine")


@pytest.mark.parametrize("fault", ["missing", "cut off", "weights", "empty"])
def test_damaged_bags_are_refused(tmp_path: Path, fault: str) -> None:
    bag: dict[str, Any] = {"models": ["mine"]}
    if fault != "empty":
        save_model(tmp_path, "mine", 3)
        (tmp_path / "mine.th").unlink()
        (tmp_path / "bag.yaml").write_text(yaml.safe_dump(bag))
    if fault == "missing":
        (tmp_path / "mine.safetensors").unlink()
    elif fault == "cut off":
        whole = (tmp_path / "mine.safetensors").read_bytes()
        (tmp_path / "mine.safetensors").write_bytes(whole[: len(whole) // 2])
    elif fault == "weights":
        (tmp_path / "bag.yaml").write_text(yaml.safe_dump({**bag, "weights": [[1.0, 2.0]]}))
    with pytest.raises(UnusableModel):
        load_demucs(tmp_path, "bag")
