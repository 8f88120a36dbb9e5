"""Sheets of pictures for the documentation: cells beside each other, below the columns' names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.composite import SAMPLES
from studio_pipelines.media.layer import Layer, converted, layer_of, light_of
from studio_pipelines.media.shared_decoder import shared_decoder
from studio_pipelines.media.tone_curves import srgb_codes

HEAD_PX, GAP_PX = 26, 6
Pixels = NDArray[np.uint8]


def found(name: str, photos: Path) -> Path:
    """A sample, or a photo anywhere below a folder."""
    sample = SAMPLES / name
    return sample if sample.exists() else next(photos.rglob(name))


def shown(layer: Layer) -> Pixels:
    """A layer as 8-bit sRGB."""
    plain = layer_of(shared_decoder().picture(SAMPLES / "tower.jpg"))
    return np.rint(srgb_codes(light_of(converted(layer, plain))) * 255).astype(np.uint8)


def fitted(pixels: Pixels, width_px: int, height_px: int) -> Pixels:
    """A picture, scaled to fit into the middle of a white cell."""
    scale = min(width_px / pixels.shape[1], height_px / pixels.shape[0])
    size = (round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small: Any = cv2.resize(pixels, size, interpolation=way)
    cell = np.full((height_px, width_px, 3), 255, np.uint8)
    top, left = (height_px - size[1]) // 2, (width_px - size[0]) // 2
    cell[top : top + size[1], left : left + size[0]] = small
    return cell


def sheet_of(columns: Sequence[str], rows: Sequence[Sequence[Pixels]]) -> Pixels:
    """Lay cells out; all are of one width, and those of a row of one height."""
    cell_px = rows[0][0].shape[1]
    width_px = len(columns) * (cell_px + GAP_PX) - GAP_PX
    strip = np.full((HEAD_PX, width_px, 3), 255, np.uint8)
    for number, name in enumerate(columns):
        at = (number * (cell_px + GAP_PX) + 4, HEAD_PX - 8)
        cv2.putText(strip, name, at, cv2.FONT_HERSHEY_SIMPLEX, 0.55, (40, 40, 40), 1, cv2.LINE_AA)
    gap = np.full((GAP_PX, width_px, 3), 255, np.uint8)
    lines = [_beside(cells) for cells in rows]
    return np.vstack([strip, *(part for line in lines for part in (line, gap))][:-1])


def write_sheet(path: Path, sheet: Pixels, quality: int = 85) -> None:
    """Write a sheet of RGB as JPEG."""
    cv2.imwrite(str(path), sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])


def _beside(cells: Sequence[Pixels]) -> Pixels:
    gap = np.full((cells[0].shape[0], GAP_PX, 3), 255, np.uint8)
    return np.hstack([part for cell in cells for part in (cell, gap)][:-1])
