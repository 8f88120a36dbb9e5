"""Run lengths beside what pycocotools writes: the texts below are its own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from studio_pipelines.media.mask_region import Region
from studio_pipelines.media.mask_rle import (
    InvalidRunLengths,
    compressed,
    expanded,
    mask_of_runs,
    run_lengths,
)
from studio_pipelines.media.segment_frame import Window

masks = st.tuples(st.integers(1, 24), st.integers(1, 24)).flatmap(lambda size: arrays(bool, size))


def region(mask: np.ndarray) -> Region:
    height, width = mask.shape
    return Region.of(mask, Window(0, 0, width, height), width, height)


def ring() -> np.ndarray:
    y, x = np.mgrid[:300, :90]
    return ((y - 150) ** 2 + (x - 40) ** 2 < 35**2) & ((y - 140) ** 2 + (x - 40) ** 2 >= 9**2)


def bar() -> np.ndarray:
    mask = np.zeros((6, 7), bool)
    mask[2:4, 1:6] = True
    return mask


def columns() -> np.ndarray:
    mask = np.zeros((6, 7), bool)
    mask[:, 2:4] = True
    return mask


RING = (
    r"fl1a0h86J6K4L4M2N2M4M2N2N2N2N2O0O2N2N2O0O2O0O2O000O2O000OaNQId0n6[OTId0l6[OVId0j6[OXId0h6["
    r"OZId0f6\OZId0f6\OZId0f6\OZId0f6\OZId0f6\OZId0f6\OZId0f6\OZId0f6\OZId0f6]OXId0h6]OVId0j6]OT"
    r"Id0l6]ORId0o6k010001N10001N101N101N2N2N101N2N2N2N2N3L3N2N3L4L5J6JYX4"
)
WRITTEN = {
    "empty": (np.zeros((4, 5), bool), "d0"),
    "full": (np.ones((4, 5), bool), "0d0"),
    "bar": (bar(), "82400000004"),
    "columns": (columns(), "<<b0"),
    "ring": (ring(), RING),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_the_text_is_that_of_pycocotools(name: str) -> None:
    mask, text = WRITTEN[name]
    assert compressed(run_lengths(region(mask))) == text
    height, width = mask.shape
    assert np.array_equal(mask_of_runs(expanded(text), width, height), mask)


@given(masks)
def test_a_mask_comes_back_whole(mask: np.ndarray) -> None:
    counts = run_lengths(region(mask))
    assert counts.sum() == mask.size
    assert (counts[1:] > 0).all()
    back = expanded(compressed(counts))
    assert np.array_equal(back, counts)
    assert np.array_equal(mask_of_runs(back, *mask.shape[::-1]), mask)


@given(st.text(max_size=12))
def test_any_other_text_is_read_or_refused(text: str) -> None:
    try:
        counts = expanded(text)
    except InvalidRunLengths:
        return
    assert (counts >= 0).all()


def test_runs_of_another_size_are_refused() -> None:
    with pytest.raises(InvalidRunLengths, match="not 5 x 5"):
        mask_of_runs(expanded("d0"), 5, 5)
