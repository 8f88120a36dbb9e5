import numpy as np
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st
from safe_points import safe_points

from studio_pipelines.media.patch_completion import NothingToCopy, complete
from studio_pipelines.media.patch_layers import layers_of

SAMPLE = "samples/astronaut.jpg"


def photo(request: pytest.FixtureRequest) -> np.ndarray:
    path = request.config.rootpath / SAMPLE
    return pyvips.Image.new_from_file(str(path)).numpy().astype(np.float32)


def disc(height: int, width: int, row: int, column: int, radius: int) -> np.ndarray:
    y, x = np.ogrid[:height, :width]
    return (y - row) ** 2 + (x - column) ** 2 <= radius**2


@pytest.mark.parametrize("period", [6, 9])
def test_a_periodic_texture_is_continued_exactly(period: int) -> None:
    y, x = np.mgrid[:96, :96]
    tile = ((y // (period // 3) + x // (period // 3)) % 3) * 80.0
    colours = np.repeat(tile[..., None], 3, axis=2).astype(np.float32)
    hole = disc(96, 96, 50, 44, 14)
    damaged = np.where(hole[..., None], np.float32(255), colours)
    found = complete(damaged, hole)
    assert np.abs(found.colours - colours)[hole].mean() < 4
    assert found.uncertainty < 4


def test_the_result_does_not_depend_on_the_threads(request: pytest.FixtureRequest) -> None:
    colours = photo(request)[150:350, 100:300]
    hole = disc(200, 200, 100, 90, 30)
    one, three = (complete(colours, hole, seed=4, threads=n).colours for n in (1, 3))
    assert np.array_equal(one, three)
    assert not np.array_equal(one, complete(colours, hole, seed=5).colours)


def test_what_the_hole_hides_does_not_count(request: pytest.FixtureRequest) -> None:
    colours = photo(request)[:128, :128]
    hole = disc(128, 128, 60, 60, 16)
    other = np.where(hole[..., None], np.float32(1e4), colours)
    assert np.array_equal(complete(colours, hole).colours, complete(other, hole).colours)


shapes = st.tuples(st.integers(16, 48), st.integers(16, 48))


@settings(max_examples=25, deadline=None)
@given(shape=shapes, seed=st.integers(0, 2**31 - 1), data=st.data())
def test_any_hole_is_filled_from_within_the_pictures_range(
    shape: tuple[int, int], seed: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    colours = rng.uniform(20, 230, (*shape, 3)).astype(np.float32)
    hole = np.zeros(shape, bool)
    for _ in range(data.draw(st.integers(1, 3))):
        top, left = (data.draw(st.integers(0, n - 1)) for n in shape)
        hole[top : top + data.draw(st.integers(1, 12)), left : left + 5] = True
    try:
        found = complete(colours, hole, seed=seed, threads=1)
    except NothingToCopy:
        assert not layers_of(colours, hole, np.zeros_like(hole))[0].usable.any()
        return
    assert np.array_equal(found.colours[~hole], colours[~hole])
    assert np.isfinite(found.colours).all()
    # The blend may overshoot the copied values, by no more than their steps.
    assert found.colours.min() > 20 - 210
    assert found.colours.max() < 230 + 210


def test_a_scratch_of_a_pixel_is_filled() -> None:
    colours = np.random.default_rng(0).uniform(20, 230, (48, 48, 3)).astype(np.float32)
    hole = np.zeros((48, 48), bool)
    hole[20, 4:40] = True
    found = complete(colours, hole).colours
    assert np.array_equal(found[~hole], colours[~hole])
    assert np.isfinite(found).all()


def test_without_a_whole_patch_there_is_nothing_to_copy() -> None:
    colours = np.zeros((32, 32, 3), np.float32)
    with pytest.raises(NothingToCopy):
        complete(colours, np.ones((32, 32), bool))
    comb = np.zeros((32, 32), bool)
    comb[::6] = True
    with pytest.raises(NothingToCopy):
        complete(colours, comb)


def test_an_interrupt_need_not_wait(request: pytest.FixtureRequest) -> None:
    colours = np.tile(photo(request), (2, 2, 1))
    hole = disc(1024, 1024, 500, 500, 160)
    with safe_points() as found:
        complete(colours, hole)
    assert found.ticks > 10
    assert found.longest_s < 2, found.gaps
