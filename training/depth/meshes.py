"""Meshes: triangles with texture, normals and a material each; reading Wavefront OBJ."""

import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

_LARGEST_BYTES, _MOST_FACES = 7_000_000, 9_000
_TEXTURE_PX = 256


@dataclass(eq=False)
class Mesh:
    """A thing that stands on the origin, y up, in metres.

    Attributes:
        corners: (triangles, 3, 3).
        texture_points: (triangles, 3, 2).
        normals: (triangles, 3, 3), of length 1.
        parts: (triangles,) which of the colours and textures.
        colours: Linear RGB by part.
        textures: sRGB uint8 (height, width, 3) by part, or None.
        size: (3,) along x, y, z.
        kind: Where it belongs.
        elevation: How high it hangs or stands.
    """

    corners: np.ndarray
    texture_points: np.ndarray
    normals: np.ndarray
    parts: np.ndarray
    colours: list[tuple[float, ...]]
    textures: list[np.ndarray | None]
    size: np.ndarray
    kind: str
    elevation: float


def corner_normals(corners: np.ndarray, faces: np.ndarray, vertices: int) -> np.ndarray:
    """Return normals (triangles, 3, 3) that are smooth over shared vertices."""
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    summed = np.zeros((vertices, 3))
    for corner in range(3):
        np.add.at(summed, faces[:, corner], flat)
    summed /= np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-12)
    return summed[faces].astype(np.float32)


def read_image(path: Path, longest_px: int) -> np.ndarray | None:
    """Return a picture as sRGB uint8, no larger than that, or None if it is none."""
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if pixels is None:
        return None
    scale = longest_px / max(pixels.shape[:2])
    if scale < 1:
        pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(pixels[..., ::-1])


def _materials(path: Path) -> dict[str, dict]:
    found: dict[str, dict] = {}
    one: dict = {}
    for line in path.read_text(errors="ignore").splitlines() if path.exists() else ():
        words = line.split()
        if len(words) < 2:
            continue
        if words[0] == "newmtl":
            one = found.setdefault(" ".join(words[1:]), {})
        elif words[0] == "Kd":
            one["colour"] = tuple(float(word) for word in words[1:4])
        elif words[0] == "d":
            one["opacity"] = float(words[1])
        elif words[0] == "map_Kd":
            one["map"] = path.parent / words[-1].replace("\\", "/")
    return found


def _tables(path: Path) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, list[dict]]:
    """Return the vertices' tables, triangles (n, 3, 3) of places in them, parts, materials."""
    rows: dict[str, list] = {"v": [], "vt": [[0.0, 0.0]], "vn": [[0.0, 0.0, 0.0]]}
    triangles, parts, names, known, current = [], [], [""], {}, 0
    for line in path.read_text(errors="ignore").splitlines():
        word, _, rest = line.partition(" ")
        if word in rows:
            rows[word].append([float(value) for value in rest.split()[: 2 if word == "vt" else 3]])
        elif word == "f":
            corners = [_places(text, rows) for text in rest.split()]
            for k in range(1, len(corners) - 1):
                triangles.append((corners[0], corners[k], corners[k + 1]))
                parts.append(current)
        elif word == "usemtl":
            name = rest.strip()
            if name not in names:
                names.append(name)
            current = names.index(name)
        elif word == "mtllib":
            known.update(_materials(path.parent / rest.strip()))
    tables = {key: np.array(value, np.float32) for key, value in rows.items()}
    return tables, np.array(triangles), np.array(parts), [known.get(name, {}) for name in names]


def _places(text: str, rows: dict[str, list]) -> tuple[int, int, int]:
    """Return a corner's places in the tables; those of texture and normal are 0 where missing."""
    given = [int(word) if word else 0 for word in text.split("/")]
    given += [0] * (3 - len(given))
    place = given[0] - 1 if given[0] > 0 else len(rows["v"]) + given[0]
    others = [
        len(rows[key]) + value if value < 0 else value
        for key, value in zip(("vt", "vn"), given[1:], strict=True)
    ]
    return place, others[0], others[1]


def read_obj(path: Path, size: tuple[float, ...], turn: str, kind: str, elevation: float) -> Mesh:
    """Return an OBJ scaled to a size, on the ground; what is of glass is left out.

    Args:
        path: The file.
        size: Metres along x, y, z; or of the height alone.
        turn: A rotation matrix as nine numbers, or empty.
        kind: See :class:`Mesh`.
        elevation: See :class:`Mesh`.

    Raises:
        ValueError: There is nothing to show in it, or too much.
    """
    if path.stat().st_size > _LARGEST_BYTES:
        raise ValueError("too large")
    tables, triangles, parts, materials = _tables(path)
    if not 4 <= len(triangles) <= _MOST_FACES:
        raise ValueError("too few or too many triangles")
    corners, normals = tables["v"][triangles[..., 0]], tables["vn"][triangles[..., 2]]
    opaque = np.array([one.get("opacity", 1.0) for one in materials])[parts] > 0.5
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(flat, axis=1)
    kept = opaque & (length > 1e-12)
    if kept.sum() < 4:
        raise ValueError("nothing opaque")
    flat /= np.maximum(length, 1e-12)[:, None]
    normals = np.where(np.abs(normals).sum(2, keepdims=True) < 0.1, flat[:, None], normals)
    if turn:
        matrix = np.array([float(word) for word in turn.split()], np.float32).reshape(3, 3)
        corners, normals = corners @ matrix.T, normals @ matrix.T
    corners, normals = corners[kept], normals[kept]
    low, high = corners.reshape(-1, 3).min(0), corners.reshape(-1, 3).max(0)
    extent = np.maximum(high - low, 1e-6)
    scale = np.array(size) / extent if len(size) == 3 else np.full(3, size[0] / extent[1])
    corners = (corners - [(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2]) * scale
    normals = normals / scale
    normals /= np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-9)
    maps = [read_image(one["map"], _TEXTURE_PX) if "map" in one else None for one in materials]
    return Mesh(
        corners.astype(np.float32),
        tables["vt"][triangles[..., 1]][kept],
        normals.astype(np.float32),
        parts[kept],
        [one.get("colour", (0.7, 0.7, 0.7)) for one in materials],
        maps,
        (extent * scale).astype(np.float32),
        kind,
        elevation,
    )


def read_catalogue(folder: Path) -> list[Mesh]:
    """Return the meshes of a Sweet Home 3D furniture catalogue that can be used."""
    entries: dict[str, dict[str, str]] = {}
    text = (folder / "PluginFurnitureCatalog.properties").read_text(errors="ignore")
    for key, number, value in re.findall(r"^(\w+)#(\d+)=(.*)$", text, re.MULTILINE):
        entries.setdefault(number, {})[key] = value.strip()
    found = []
    for entry in entries.values():
        path = folder / entry.get("model", "none").lstrip("/")
        if path.suffix != ".obj" or not path.exists():
            continue
        size = tuple(float(entry[key]) / 100 for key in ("width", "height", "depth"))
        try:
            found.append(
                read_obj(
                    path,
                    size,
                    entry.get("modelRotation", ""),
                    entry.get("category", ""),
                    float(entry.get("elevation", 0)) / 100,
                )
            )
        except (ValueError, KeyError, IndexError):
            continue
    return found
