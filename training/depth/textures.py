"""What surfaces look like: photos, materials, and patterns of our own."""

from dataclasses import dataclass

import cv2
import numpy as np

Rng = np.random.Generator
_SIDE_PX = 256


@dataclass
class Looks:
    """Pictures to cover surfaces with, sRGB uint8 (height, width, 3)."""

    photos: list[np.ndarray]
    materials: list[np.ndarray]


def tint(rng: Rng, strength: float = 0.35) -> np.ndarray:
    """Return factors for red, green and blue."""
    coloured = rng.uniform(-strength, strength, 3) * np.array([1, 0.7, 1])
    return np.clip(1 + coloured + rng.uniform(-strength, strength), 0.15, 1.6)


def crop(rng: Rng, picture: np.ndarray, low: float = 0.25, high: float = 0.9) -> np.ndarray:
    """Return a part of a picture, mirrored half of the time."""
    height, width = picture.shape[:2]
    share = rng.uniform(low, high)
    h, w = (min(side, max(32, int(side * share))) for side in (height, width))
    y, x = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    part = picture[y : y + h, x : x + w]
    return part[:, ::-1].copy() if rng.random() < 0.5 else part.copy()


def photo(rng: Rng, looks: Looks) -> np.ndarray:
    """Return a part of a photo."""
    return crop(rng, looks.photos[rng.integers(len(looks.photos))], 0.2, 0.9)


def facade(rng: Rng, *, night: bool = False) -> np.ndarray:
    """Return a house's front with rows of windows, some of them lit at night."""
    cell, rows, columns = 32, rng.integers(3, 9), rng.integers(3, 9)
    wall = np.ones((rows * cell, columns * cell, 3)) * rng.uniform(60, 220) * tint(rng, 0.2)
    wall += rng.normal(0, 6, wall.shape[:2])[..., None]
    wide, high = rng.uniform(0.3, 0.8), rng.uniform(0.4, 0.85)
    glass = rng.uniform(10, 120) * tint(rng, 0.3)
    for row in range(rows):
        for column in range(columns):
            y, x = int((row + 0.5 - high / 2) * cell), int((column + 0.5 - wide / 2) * cell)
            lit = night and rng.random() < 0.35
            colour = np.array([255, 225, 150]) if lit else glass * rng.uniform(0.6, 1.5)
            wall[y : y + int(high * cell), x : x + int(wide * cell)] = colour
    return np.clip(wall, 0, 255).astype(np.uint8)


def pattern(rng: Rng) -> np.ndarray:
    """Return a hard pattern: a checkerboard, tiles, stripes, dots or writing."""
    y, x = np.mgrid[:_SIDE_PX, :_SIDE_PX]
    count = int(rng.integers(2, 20))
    kind = rng.integers(6)
    if kind <= 1:
        mask = (x * count // _SIDE_PX + y * count // _SIDE_PX) % 2
    elif kind == 2:
        mask = (x * count * 2 // _SIDE_PX) % 2
    elif kind == 3:
        u, v = (x * count % _SIDE_PX) / _SIDE_PX, (y * count % _SIDE_PX) / _SIDE_PX
        gap = rng.uniform(0.03, 0.2)
        mask = (u < gap) | (v < gap)
    elif kind == 4:
        u, v = (x * count % _SIDE_PX) / _SIDE_PX - 0.5, (y * count % _SIDE_PX) / _SIDE_PX - 0.5
        mask = u * u + v * v < rng.uniform(0.02, 0.2)
    else:
        mask = _writing(rng)
    strength = rng.uniform(0.3, 1)
    first, second = (rng.uniform(5, 250) * tint(rng, 0.5) for _ in range(2))
    if rng.random() < 0.35:
        first, second = np.full(3, 12.0), np.full(3, 240.0)
    drawn = first + (second - first) * strength * np.asarray(mask, float)[..., None]
    return np.clip(drawn + rng.normal(0, 3, (*mask.shape, 1)), 0, 255).astype(np.uint8)


def _writing(rng: Rng) -> np.ndarray:
    page = np.zeros((_SIDE_PX, _SIDE_PX), np.uint8)
    letters = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ?!"))
    scale = rng.uniform(0.4, 2.5)
    for y in range(int(24 * scale), _SIDE_PX, int(34 * scale)):
        text = "".join(rng.choice(letters, 30))
        place = (int(rng.integers(-20, 20)), y)
        cv2.putText(page, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, 1, max(1, int(2 * scale)))
    return page


def noise(rng: Rng) -> np.ndarray:
    """Return blotches of two colours."""
    cells = int(rng.integers(2, 40))
    kind = int(rng.choice([cv2.INTER_NEAREST, cv2.INTER_CUBIC, cv2.INTER_LINEAR]))
    grey = cv2.resize(
        rng.uniform(0, 1, (cells, cells)).astype(np.float32),
        (_SIDE_PX, _SIDE_PX),
        interpolation=kind,
    )
    first, second = (rng.uniform(20, 240) * tint(rng, 0.4) for _ in range(2))
    drawn = first + (second - first) * grey[..., None] + rng.normal(0, 5, (*grey.shape, 1))
    return np.clip(drawn, 0, 255).astype(np.uint8)


def texture(rng: Rng, looks: Looks, patterned: float = 0.2) -> np.ndarray:
    """Return any of them."""
    if rng.random() < patterned:
        return pattern(rng)
    drawn = rng.random()
    if drawn < 0.5:
        return looks.materials[rng.integers(len(looks.materials))]
    return photo(rng, looks) if drawn < 0.8 else noise(rng)


def linear(picture: np.ndarray) -> np.ndarray:
    """Return light from code values, near enough for a renderer."""
    return (picture.astype(np.float32) / 255) ** 2.2


def pyramid(picture: np.ndarray) -> list[np.ndarray]:
    """Return a texture's light at halving sizes."""
    levels = [linear(picture)]
    while min(levels[-1].shape[:2]) > 4:
        height, width = levels[-1].shape[:2]
        half = (max(1, width // 2), max(1, height // 2))
        levels.append(cv2.resize(levels[-1], half, interpolation=cv2.INTER_AREA))
    return levels
