"""A scene: triangles and what they are made of."""

from dataclasses import dataclass, field

import numpy as np

from training.depth.meshes import Mesh
from training.depth.textures import Looks, Rng, pyramid, texture, tint


def turn(yaw: float) -> np.ndarray:
    """Return a rotation about the vertical."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def nod(pitch: float) -> np.ndarray:
    """Return a rotation about x."""
    c, s = np.cos(pitch), np.sin(pitch)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def lean(roll: float) -> np.ndarray:
    """Return a rotation about z."""
    c, s = np.cos(roll), np.sin(roll)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


@dataclass
class Material:
    """Linear colour, or a texture as light at halving sizes times a tint, and what it sends out."""

    colour: np.ndarray
    levels: list[np.ndarray] | None = None
    glow: float = 0.0


@dataclass
class View:
    """Where the camera stands and looks; angles in radians, places in metres."""

    place: np.ndarray
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    fov: float = 1.0


@dataclass
class Light:
    """A sun where ``direction``, else a lamp, at ``place``."""

    place: np.ndarray
    colour: np.ndarray
    is_sun: bool = False


@dataclass
class Scene:
    """What is rendered."""

    rng: Rng
    looks: Looks
    view: View = field(default_factory=lambda: View(np.zeros(3)))
    lights: list[Light] = field(default_factory=list)
    ambient: float = 0.3
    is_open: bool = False
    is_night: bool = False
    patterned: float = 0.2
    corners: list[np.ndarray] = field(default_factory=list)
    texture_points: list[np.ndarray] = field(default_factory=list)
    normals: list[np.ndarray] = field(default_factory=list)
    parts: list[np.ndarray] = field(default_factory=list)
    materials: list[Material] = field(default_factory=list)

    def colour(self, linear_rgb: object) -> int:
        """Return the number of a new plain material."""
        self.materials.append(Material(np.clip(np.asarray(linear_rgb, float), 0.01, 0.95)))
        return len(self.materials) - 1

    def covered(self, picture: np.ndarray, tinted: object = 1.0, glow: float = 0.0) -> int:
        """Return the number of a new textured material."""
        factors = np.broadcast_to(np.asarray(tinted, float), 3)
        self.materials.append(Material(factors, pyramid(picture), glow))
        return len(self.materials) - 1

    def surface(self, plain: float = 0.4) -> int:
        """Return the number of a new material of any kind."""
        if self.rng.random() < plain:
            return self.colour(self.rng.uniform(0.1, 0.85) * tint(self.rng, 0.25))
        return self.covered(texture(self.rng, self.looks, self.patterned), tint(self.rng, 0.25))

    def add(
        self, corners: np.ndarray, texture_points: np.ndarray, normals: np.ndarray, part: object
    ) -> None:
        """Add triangles: (n, 3, 3), (n, 3, 2), (n, 3, 3), and a material's number or one each."""
        self.corners.append(corners.astype(np.float32))
        self.texture_points.append(texture_points.astype(np.float32))
        self.normals.append(normals.astype(np.float32))
        self.parts.append(np.broadcast_to(np.asarray(part), len(corners)).astype(np.int32))

    def quad(
        self, origin: object, u: object, v: object, part: int, tile_m: float | None = None
    ) -> None:
        """Add a rectangle; its texture is repeated each ``tile_m``, or fills it once."""
        o, u, v = (np.asarray(one, float) for one in (origin, u, v))
        normal = np.cross(u, v)
        normal /= np.linalg.norm(normal) + 1e-9
        su, sv = (np.linalg.norm(u) / tile_m, np.linalg.norm(v) / tile_m) if tile_m else (1, 1)
        a, b, c, d = o, o + u, o + u + v, o + v
        self.add(
            np.array([[a, b, c], [a, c, d]]),
            np.array([[(0, 0), (su, 0), (su, sv)], [(0, 0), (su, sv), (0, sv)]]),
            np.tile(normal, (2, 3, 1)),
            part,
        )

    def box(
        self, centre: object, half: object, turned: np.ndarray, part: int, tile_m: float | None
    ) -> None:
        """Add a box, turned about its centre."""
        half = np.asarray(half, float)
        for axis in range(3):
            for sign in (-1, 1):
                a, b = (axis + 1) % 3, (axis + 2) % 3
                o, u, v = np.zeros(3), np.zeros(3), np.zeros(3)
                o[axis], o[a], o[b] = sign * half[axis], -half[a], -half[b]
                u[a], v[b] = 2 * half[a], 2 * half[b]
                if a == 1:
                    u, v = v, u
                self.quad(np.asarray(centre) + turned @ o, turned @ u, turned @ v, part, tile_m)

    def put(
        self,
        mesh: Mesh,
        place: object,
        turned: np.ndarray,
        scale: float = 1.0,
        strange: float = 0.0,
    ) -> None:
        """Add a mesh; ``strange`` is how likely a part of it is made of something else."""
        rng = self.rng
        numbers = np.zeros(len(mesh.colours), int)
        for part in np.unique(mesh.parts):
            picture = mesh.textures[part]
            if rng.random() < strange:
                numbers[part] = self.surface(0.2)
            elif picture is not None:
                numbers[part] = self.covered(picture)
            else:
                colour = np.clip(mesh.colours[part], 0.02, 0.95) ** 1.6
                tinted = tint(rng, 0.5) if rng.random() < 0.4 else 1.0
                numbers[part] = self.colour(colour * tinted)
        self.add(
            mesh.corners * scale @ turned.T + np.asarray(place),
            mesh.texture_points,
            mesh.normals @ turned.T,
            numbers[mesh.parts],
        )
