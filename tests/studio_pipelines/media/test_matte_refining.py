"""Trimaps, closed-form and guided refinement, edges, and the subject's own colours."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio_pipelines.errors import InvalidParameter
from studio_pipelines.media.closed_form import solve_closed_form
from studio_pipelines.media.coverage import FULL
from studio_pipelines.media.foreground_colours import (
    foreground_colours,
    hue_of,
    without_spill,
)
from studio_pipelines.media.layer import Layer, light_of
from studio_pipelines.media.matte_edges import choked, edged
from studio_pipelines.media.matte_refining import plain_matte, refined_matte, working_size
from studio_pipelines.media.matte_report import matte_verification, spill_left
from studio_pipelines.media.picture import Picture
from studio_pipelines.media.steady_matte import SteadyMatte
from studio_pipelines.media.tone_curves import srgb_codes, srgb_curves
from studio_pipelines.media.trimap import (
    BACKGROUND,
    FOREGROUND,
    UNKNOWN,
    automatic_trimap,
    drawn_trimap,
)


def layer(codes: np.ndarray) -> Layer:
    return Layer(codes, None, srgb_curves(), Picture(codes))


def hairy(size: tuple[int, int] = (320, 400)) -> np.ndarray:
    """The alpha of a disc with hair."""
    rng, scale = np.random.default_rng(3), 4
    canvas = np.zeros((size[0] * scale, size[1] * scale), np.uint8)
    middle, radius = np.array([size[1], size[0]]) * scale / 2, size[0] * scale * 0.27
    cv2.circle(canvas, [int(v) for v in middle], int(radius), 255, -1)
    for angle in rng.uniform(0, 2 * np.pi, 250):
        along = np.array([np.cos(angle), np.sin(angle)])
        ends = [middle + along * radius * reach for reach in (0.9, rng.uniform(1.05, 1.2))]
        cv2.line(canvas, *([int(v) for v in end] for end in ends), 255, 4)
    return cv2.resize(canvas, size[::-1], interpolation=cv2.INTER_AREA) / 255.0


def scene() -> tuple[Layer, np.ndarray, np.ndarray, np.ndarray]:
    """A picture of it over a gradient; its alpha, and the light of both."""
    alpha = hairy()
    y, x = (axis[..., None] for axis in np.mgrid[: alpha.shape[0], : alpha.shape[1]])
    fore = np.array([0.5, 0.18, 0.06]) * (0.8 + 0.2 * np.sin(x / 37.0))
    back = np.array([0.1, 0.3, 0.55]) * (0.6 + 0.4 * y / alpha.shape[0])
    light = alpha[..., None] * fore + (1 - alpha[..., None]) * back
    codes = np.rint(srgb_codes(light) * 255).astype(np.uint8)
    return layer(codes), alpha, fore + 0 * light, back + 0 * light


def rough(alpha: np.ndarray) -> np.ndarray:
    """What a network would say: the shape without its hair."""
    body = cv2.morphologyEx(alpha, cv2.MORPH_OPEN, np.ones((9, 9)))
    return cv2.GaussianBlur(body, (0, 0), 3).astype(np.float32)


def sad(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.abs(found / FULL - truth).sum())


def test_closed_form_finds_hair_that_the_rough_matte_lacks() -> None:
    picture, alpha, _, _ = scene()
    shares = rough(alpha)
    trimap = automatic_trimap(shares, 8, 30)
    alone = sad(plain_matte(shares, picture), alpha)
    closed = sad(refined_matte(picture, shares, trimap, solve_closed_form), alpha)
    guided = sad(refined_matte(picture, shares, trimap), alpha)
    assert closed < 0.5 * alone
    assert guided < alone


def test_what_the_trimap_knows_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    picture, alpha, _, _ = scene()
    shares = rough(alpha)
    trimap = automatic_trimap(shares, 4, 10)
    found = solve_closed_form(picture.codes.astype(np.float32) / 255, trimap, shares)
    assert (found[trimap == FOREGROUND] == 1).all()
    assert (found[trimap == BACKGROUND] == 0).all()
    assert found.min() >= 0
    assert found.max() <= 1
    monkeypatch.setattr("studio_pipelines.media.closed_form.CORE_PX", 1000)
    whole = solve_closed_form(picture.codes.astype(np.float32) / 255, trimap, shares)
    assert np.abs(found - whole).mean() < 2e-3, "tiles give what the whole picture gives"


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 300), (40, 1)])
def test_pictures_of_a_few_pixels_are_refined(size: tuple[int, int]) -> None:
    codes = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    shares = np.full(size, 0.5, np.float32)
    trimap = np.full(size, UNKNOWN, np.uint8)
    for solve in (solve_closed_form, None):
        assert refined_matte(layer(codes), shares, trimap, solve).shape == size


def test_a_large_picture_is_refined_at_a_bounded_size() -> None:
    picture, alpha, _, _ = scene()
    large = layer(cv2.resize(picture.codes, (1400, 1120), interpolation=cv2.INTER_CUBIC))
    height, width = working_size(large)
    assert height * width <= 1_001_000
    shares = rough(alpha)
    small = cv2.resize(shares, (width, height))
    found = refined_matte(large, shares, automatic_trimap(small, 20, 70), solve_closed_form)
    truth = cv2.resize(alpha, (1400, 1120), interpolation=cv2.INTER_CUBIC)
    assert found.shape == (1120, 1400)
    assert sad(found, truth) < 0.85 * sad(plain_matte(shares, large), truth)


@given(st.floats(0, 12), st.floats(0, 12))
def test_more_distance_leaves_more_unknown(erode: float, dilate: float) -> None:
    shares = np.zeros((40, 60), np.float32)
    shares[10:30, 15:45] = 1
    less, more = automatic_trimap(shares, erode, dilate), automatic_trimap(shares, 13, 13)
    assert ((less == UNKNOWN) <= (more == UNKNOWN)).all()
    assert (less[:10] != FOREGROUND).all()
    assert (less[10:30, 15:45] != BACKGROUND).all()


def test_a_drawn_trimap_needs_all_three() -> None:
    drawn = np.zeros((4, 9), np.uint16)
    drawn[:, 3:6], drawn[:, 6:] = 30000, FULL
    assert drawn_trimap(drawn)[0].tolist() == [0] * 3 + [128] * 3 + [255] * 3
    for gone, name in ((slice(0, 3), "black"), (slice(3, 6), "grey"), (slice(6, 9), "white")):
        lacking = drawn.copy()
        lacking[:, gone] = drawn[0, (gone.start + 3) % 9]
        with pytest.raises(InvalidParameter, match=name):
            drawn_trimap(lacking)


@pytest.mark.parametrize("distance", [0, 1, 2.5, 7, -3, -0.5])
def test_choke_moves_a_straight_edge_by_its_pixels(distance: float) -> None:
    alpha = np.zeros((30, 60), np.uint16)
    alpha[:, 30:] = FULL
    moved = choked(alpha, distance)
    assert (moved[15] / FULL).sum() == pytest.approx(30 - distance, abs=1e-3)


def test_feather_keeps_the_middle_of_the_edge() -> None:
    alpha = np.zeros((80, 81), np.uint16)
    alpha[:, 40:] = FULL
    soft = edged(alpha, choke_px=0, feather_px=4) / FULL
    assert soft[40, 39] + soft[40, 40] == pytest.approx(1, abs=0.01)
    assert 0.05 < soft[40, 34] < 0.15  # a Gaussian's 0.085


@pytest.mark.parametrize("estimation", ["multilevel", "closedForm"])
def test_the_subjects_own_colours_give_the_picture_back(estimation: str) -> None:
    picture, alpha, fore, back = scene()
    share = np.rint(alpha * FULL).astype(np.uint16)
    found = foreground_colours(picture, share, estimation)
    unsure = (alpha > 0.1) & (alpha < 0.9)
    own = np.abs(light_of(layer(found.codes)) - fore)[unsure].mean()
    seen = np.abs(light_of(picture) - fore)[unsure].mean()
    assert own < 0.35 * seen
    again = alpha[..., None] * light_of(layer(found.codes)) + (1 - alpha[..., None]) * back
    plain = alpha[..., None] * light_of(picture) + (1 - alpha[..., None]) * back
    truth = light_of(picture)
    assert np.abs(again - truth)[unsure].mean() < 0.3 * np.abs(plain - truth)[unsure].mean()
    assert np.array_equal(found.codes[alpha == 1], picture.codes[alpha == 1])


def test_spill_goes_and_other_colours_stay() -> None:
    curves = srgb_curves()
    key = hue_of(np.array([0.05, 0.8, 0.1]))
    assert key is not None
    codes = np.array([[[120, 200, 110], [128, 128, 128], [200, 90, 60], [200, 190, 60]]], np.uint8)
    alpha = np.full((1, 4), 40000, np.uint16)
    clean = without_spill(codes, alpha, key, 1.0, curves)
    assert spill_left(clean, alpha, key, curves) < 0.02 < spill_left(codes, alpha, key, curves)
    assert np.array_equal(clean[0, 1:3], codes[0, 1:3])
    weights = np.array([0.2126, 0.7152, 0.0722])
    before, after = light_of(layer(codes)) @ weights, light_of(layer(clean)) @ weights
    assert after == pytest.approx(before, abs=0.005)
    assert hue_of(np.array([0.4, 0.4, 0.4])) is None
    hidden = without_spill(codes, np.zeros((1, 4), np.uint16), key, 1.0, curves)
    assert np.array_equal(hidden, codes)


def test_a_matte_is_measured() -> None:
    alpha = np.zeros((10, 10), np.uint16)
    assert matte_verification(alpha)["passed"] is False
    alpha[:5], alpha[5] = FULL, FULL // 2
    told = matte_verification(alpha)
    assert told["passed"] is True
    assert told["subjectShare"] == pytest.approx(0.55, abs=1e-4)
    assert told["unsureShare"] == 0.1
    assert (told["alphaMin"], told["alphaMax"]) == (0, 1)


def test_what_does_not_move_flickers_less_and_what_moves_is_not_held_back() -> None:
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 255, (64, 64, 3)).astype(np.uint8)
    truth = np.zeros((64, 64), np.float32)
    truth[:, 32:] = 1
    answers = [np.clip(truth + rng.normal(0, 0.2, truth.shape), 0, 1) for _ in range(8)]
    steady = SteadyMatte(1.0)
    held = [steady.steadied(one.astype(np.float32), frame, 255.0) for one in answers]
    assert np.std(held[4:], axis=0).mean() < 0.5 * np.std(answers[4:], axis=0).mean()
    moved = np.roll(truth, 20, axis=1)
    after = steady.steadied(moved, np.roll(frame, 20, axis=1), 255.0)
    assert np.abs(after - moved).mean() < 0.02
