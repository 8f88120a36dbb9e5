"""Render scenes, each by its number alone, so that any part can be made again anywhere."""

import pickle
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from training.depth.camera import defocused, photographed
from training.depth.elsewhere import flat, outdoors, portrait
from training.depth.indoors import room, table_top
from training.depth.rendering import Hits, shade, sky
from training.depth.scene import Scene
from training.depth.things import Things

SEED = 1_000_003
_SIZES = ((384, 288), (288, 384), (384, 384))
_KINDS = {room: 0.26, table_top: 0.22, outdoors: 0.2, portrait: 0.18, flat: 0.14}


def build(rng: np.random.Generator, things: Things) -> tuple[Scene, str]:
    """Return a scene and its kind."""
    scene = Scene(rng, things.looks, ambient=rng.uniform(0.15, 0.6), is_night=rng.random() < 0.12)
    make = list(_KINDS)[rng.choice(len(_KINDS), p=list(_KINDS.values()))]
    make(scene, things)
    return scene, make.__name__


def render(number: int, things: Things) -> tuple[np.ndarray, np.ndarray, str] | None:
    """Return sRGB uint8, inverse depth in 1/m (0 in the sky), and the kind; None for a bad view."""
    rng = np.random.default_rng(SEED + number)
    width, height = _SIZES[rng.choice(3, p=[0.6, 0.2, 0.2])]
    scene, kind = build(rng, things)
    hits = Hits(scene, width, height)
    if not _is_good(scene, hits, height, width, kind):
        return None
    light = sky(scene, np.arcsin(np.clip(hits.rays[:, 1], -1, 1)).reshape(height, width))
    light = light.reshape(-1, 3) * rng.uniform(0.7, 1.3)
    shaded = shade(scene, hits)
    if scene.is_open and rng.random() < 0.5:
        density = np.exp(rng.uniform(np.log(0.002), np.log(0.03)))
        clear = np.exp(-hits.depth_m[hits.is_hit] * density)[:, None]
        shaded = shaded * clear + (1 - clear) * light.mean(0)
    light[hits.is_hit] = shaded
    light = light.reshape(height, width, 3)
    inverse = np.where(hits.is_hit, 1 / hits.depth_m, 0).reshape(height, width).astype(np.float32)
    if rng.random() < 0.3:
        light = defocused(rng, light, inverse)
    return photographed(rng, light, is_night=scene.is_night), inverse, kind


def _is_good(scene: Scene, hits: Hits, height: int, width: int, kind: str) -> bool:
    """Return whether a view shows something, at several depths, and is in no thing's way."""
    seen = np.sort(hits.depth_m[hits.is_hit])
    if len(seen) < 2000 or (not scene.is_open and hits.is_hit.mean() < 0.6):
        return False
    first, low, high = seen[[int(len(seen) * share) for share in (0.01, 0.05, 0.95)]]
    if first < 0.12 or high / low < (1.08 if kind == "flat" else 1.25):
        return False
    far = np.log(np.where(hits.is_hit, hits.depth_m, 1e3)).reshape(height, width)
    steps = np.abs(np.diff(far, axis=1))[:-1], np.abs(np.diff(far, axis=0))[:, :-1]
    edges = ((steps[0] > 0.06) | (steps[1] > 0.06)).mean()
    return kind == "flat" or edges >= scene.rng.choice([0, 0.012, 0.02, 0.03])


def render_range(assets: Path, folder: Path, first: int, last: int, processes: int) -> None:
    """Render these numbers into files that are not there yet, in several processes."""
    cv2.setNumThreads(1)
    things: Things = pickle.loads(assets.read_bytes())  # noqa: S301  made by ourselves
    folder.mkdir(parents=True, exist_ok=True)
    # Forked, they share the meshes.
    with get_context("fork").Pool(processes, _share, (things, folder)) as pool:
        for made, _ in enumerate(pool.imap_unordered(_render_file, range(first, last))):
            if made % 50 == 0:
                print(made, flush=True)


_SHARED: tuple[Things, Path] | None = None


def _share(things: Things, folder: Path) -> None:
    global _SHARED  # noqa: PLW0603  how a pool's processes are told
    _SHARED = things, folder


def _render_file(number: int) -> None:
    assert _SHARED is not None
    things, folder = _SHARED
    path = folder / f"{number:05d}.npz"
    found = None if path.exists() else render(number, things)
    if found is None:
        return
    pixels, inverse, kind = found
    partial = path.with_suffix(".part")
    with partial.open("wb") as file:
        np.savez(file, rgb=pixels, inverse_depth=inverse.astype(np.float16), kind=kind)
    partial.rename(path)
