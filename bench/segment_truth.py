"""Things in held-back photos whose outlines are known, and the same laid over other photos."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
FINER = 4


@dataclass(frozen=True, eq=False)
class Case:
    """A photo and what is meant in it."""

    name: str
    pixels: Pixels
    truth: Mask


def photos(folder: Path) -> Iterator[Case]:
    """Things in photos of scikit-image and scikit-learn, outlined by hand or by colour."""
    read = partial(_read, folder)
    astronaut, cat = read("astronaut.png"), read("chelsea.png")
    yield Case("badge", astronaut, _ellipse(astronaut, (170.3, 385.4), (36.2, 36.6)))
    yield Case("left eye", cat, _ellipse(cat, (171, 116), (35, 31), 15))
    yield Case("right eye", cat, _polygon(cat, RIGHT_EYE))
    flower = read("flower.jpg")
    yield Case("flower", flower, _orange(flower))
    retina = read("retina.jpg")
    yield Case("retina", retina, _filled(_largest(retina.max(axis=-1) > 25)))
    coffee = read("coffee.png")
    yield Case("spoon", coffee, _ellipse(coffee, (366, 282), (40, 43)))
    yield Case("cup", coffee, _ellipse(coffee, (290, 113), (117, 95)))
    coins = read("coins.png")
    for number, coin in enumerate(_coins(coins[..., 0])[::5]):
        yield Case(f"coin {number + 1}", coins, coin)


def composites(folder: Path) -> Iterator[Case]:
    """Things cut out of photos and laid, at another size, over other ones: the truth is exact."""
    things = {case.name: case for case in photos(folder)}
    grounds = [_read(folder, name) for name in ("china.jpg", "gravel.png", "coffee.png")]
    for number, name in enumerate(("badge", "flower", "left eye", "coin 1", "retina", "coin 3")):
        yield _laid_over(things[name], grounds[number % len(grounds)], number)


RIGHT_EYE = (
    (295, 136), (300, 125), (312, 115), (325, 110), (335, 110), (341, 118),
    (342, 130), (338, 144), (328, 156), (315, 162), (303, 162), (296, 152),
)  # fmt: skip


def _read(folder: Path, name: str) -> Pixels:
    (path,) = sorted(folder.rglob(name))[:1]
    with Image.open(path) as opened:
        return np.asarray(opened.convert("RGB"))


def _laid_over(thing: Case, ground: Pixels, number: int) -> Case:
    rows, columns = np.flatnonzero(thing.truth.any(axis=1)), np.flatnonzero(thing.truth.any(axis=0))
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = ground.shape[:2]
    size = (0.3 + 0.06 * number) * min(height, width) / max(thing.truth[part].shape)
    colours: Any = cv2.resize(thing.pixels[part], None, fx=size, fy=size)
    cut: Any = thing.truth[part].astype(np.float32)
    alpha: Any = cv2.resize(cut, (colours.shape[1], colours.shape[0]))[..., None]
    top = int((height - alpha.shape[0]) * (0.2 + 0.1 * number))
    left = int((width - alpha.shape[1]) * (0.8 - 0.1 * number))
    at = np.s_[top : top + alpha.shape[0], left : left + alpha.shape[1]]
    pixels, truth = ground.copy(), np.zeros((height, width), bool)
    pixels[at] = np.rint(alpha * colours + (1 - alpha) * pixels[at])
    truth[at] = alpha[..., 0] >= 0.5
    return Case(f"{thing.name} laid over", pixels, truth)


def _ellipse(
    pixels: Pixels, middle: tuple[float, float], axes: tuple[float, float], angle: float = 0
) -> Mask:
    height, width = pixels.shape[:2]
    fine = np.zeros((height * FINER, width * FINER), np.uint8)
    at = (round(middle[0] * FINER), round(middle[1] * FINER))
    size = (round(axes[0] * FINER), round(axes[1] * FINER))
    cv2.ellipse(fine, at, size, angle, 0, 360, 255, cv2.FILLED)
    return np.asarray(cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)) > 127


def _polygon(pixels: Pixels, corners: Sequence[tuple[float, float]]) -> Mask:
    height, width = pixels.shape[:2]
    fine = np.zeros((height * FINER, width * FINER), np.uint8)
    cv2.fillPoly(fine, [np.rint(np.array(corners) * FINER).astype(np.int32)], 255)
    return np.asarray(cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)) > 127


def _orange(pixels: Pixels) -> Mask:
    red, blue = pixels[..., 0].astype(int), pixels[..., 2].astype(int)
    whole = _filled(_largest((red > 95) & (red > blue + 10)))
    smooth = cv2.morphologyEx(whole.astype(np.uint8), cv2.MORPH_OPEN, np.ones((7, 7), np.uint8))
    return _largest(np.asarray(smooth) > 0)


def _coins(grey: NDArray[np.uint8]) -> list[Mask]:
    """The coins whose outline is that of an ellipse: the others touch the light behind them."""
    near, far = cv2.GaussianBlur(grey, (5, 5), 0), cv2.GaussianBlur(grey, (0, 0), 40)
    bright = np.asarray(near).astype(int) > np.asarray(far).astype(int) + 8
    opened = cv2.morphologyEx(bright.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    whole = _filled(np.asarray(opened) > 0)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(whole.astype(np.uint8))
    found: list[Mask] = []
    for label in range(1, count):
        width, height, area = (int(stats[label, column]) for column in (2, 3, 4))
        ellipse = np.pi * width * height / 4
        if 900 < area < 4000 and abs(area - ellipse) < 0.06 * ellipse:
            found.append(np.asarray(labels) == label)
    return found


def _largest(mask: Mask) -> Mask:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return np.asarray(labels) == 1 + int(np.asarray(stats)[1:, 4].argmax())


def _filled(mask: Mask) -> Mask:
    outside = np.pad(~mask, 1, constant_values=True).astype(np.uint8)
    _, labels = cv2.connectedComponents(outside)
    return (np.asarray(labels) != labels[0, 0])[1:-1, 1:-1]
