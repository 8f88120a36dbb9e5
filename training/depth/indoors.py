"""Rooms, table tops and close-ups."""

import numpy as np

from training.depth.scene import Light, Scene, View, turn
from training.depth.shapes import (
    add_shape,
    animal,
    branches,
    lattice,
    leaves,
    solid,
    tumbled,
)
from training.depth.textures import photo, tint
from training.depth.things import INDOORS, PEOPLE, Things, spread


def walls(scene: Scene, low_m: float = 2.5, high_m: float = 8.0) -> tuple[float, float, float]:
    """Add floor, ceiling and walls with pictures on them; return their width, depth, height."""
    rng = scene.rng
    wide, deep = rng.uniform(low_m, high_m), rng.uniform(low_m, high_m * 1.2)
    high = rng.uniform(2.3, 3.5)
    x, z = -wide / 2, -deep / 2
    scene.quad((x, 0, z), (0, 0, deep), (wide, 0, 0), scene.surface(0.2), rng.uniform(0.5, 2.5))
    scene.quad((x, high, z), (wide, 0, 0), (0, 0, deep), scene.surface(0.85), 2)
    usual, tile_m = scene.surface(0.6), rng.uniform(0.6, 3)
    sides = [
        ((x, 0, z), (wide, 0, 0)),
        ((-x, 0, -z), (-wide, 0, 0)),
        ((x, 0, -z), (0, 0, -deep)),
        ((-x, 0, z), (0, 0, deep)),
    ]
    for origin, along in sides:
        part = scene.surface(0.6) if rng.random() < 0.25 else usual
        scene.quad(origin, along, (0, high, 0), part, tile_m)
        for _ in range(rng.integers(0, 4)):
            _picture(scene, np.array(origin, float), np.array(along, float), high)
    return wide, deep, high


def _picture(scene: Scene, origin: np.ndarray, along: np.ndarray, high: float) -> None:
    """Hang a picture, or a window that shines."""
    rng = scene.rng
    length = np.linalg.norm(along)
    along = along / length
    inward = np.cross(along, [0, 1, 0])
    inward *= -np.sign(inward @ (origin + along * length / 2))
    w, h = rng.uniform(0.3, 1.6), rng.uniform(0.3, 1.3)
    if length < w + 0.2:
        return
    up = rng.uniform(0.6, max(0.7, high - h - 0.1))
    corner = origin + along * rng.uniform(0.1, length - w - 0.1) + [0, up, 0] + inward * 0.03
    glow = rng.uniform(0.8, 3) if rng.random() < 0.3 and not scene.is_night else 0.0
    shown = photo(rng, scene.looks)[::-1]
    scene.quad(corner, along * w, (0, h, 0), scene.covered(shown, glow=glow))


def furnish(
    scene: Scene, things: Things, room: tuple[float, float, float], count: int, clear_m: float
) -> None:
    """Stand furniture and people about, along the walls or not, and small things on the low."""
    rng, placed = scene.rng, []
    strange = 0.25 if rng.random() < 0.3 else 0.03
    for _ in range(count):
        kinds = PEOPLE if rng.random() < 0.12 else INDOORS
        mesh = things.pick(rng, kinds, lambda m: m.size[1] < room[2] - 0.05 and max(m.size) < 3.5)
        if mesh is None:
            continue
        low = [one for one in placed if 0.25 < one[3] < 1.3]
        if max(mesh.size) < 0.6 and low:
            x, z, reach, top, _ = low[rng.integers(len(low))]
            shift = rng.uniform(-0.35, 0.35, 2) * reach
            place = (x + shift[0], top, z + shift[1])
            scene.put(mesh, place, turn(rng.uniform(0, 6.3)), rng.uniform(0.8, 1.3), strange)
            continue
        for _ in range(8):
            x, z, yaw = _spot(scene, room, mesh.size)
            radius = np.hypot(mesh.size[0], mesh.size[2]) / 2
            up = mesh.elevation if mesh.elevation < room[2] - mesh.size[1] else 0.0
            place = scene.view.place
            near = np.hypot(x - place[0], z - place[2]) < radius + clear_m
            taken = [np.hypot(x - p[0], z - p[1]) < 0.8 * (radius + p[4]) for p in placed]
            if near or (any(taken) and not up):
                continue
            scene.put(mesh, (x, up, z), turn(yaw), 1.0, strange)
            if not up:
                placed.append((x, z, min(mesh.size[0], mesh.size[2]), mesh.size[1], radius))
            break


def _spot(
    scene: Scene, room: tuple[float, float, float], size: np.ndarray
) -> tuple[float, float, float]:
    """Return x, z and yaw: along a wall, or anywhere."""
    rng, (wide, deep, _) = scene.rng, room
    if rng.random() < 0.45:
        radius = np.hypot(size[0], size[2]) / 2
        x, z = (rng.uniform(-1, 1) * max(0.0, side / 2 - radius) for side in (wide, deep))
        return x, z, rng.uniform(0, 6.3)
    side, off = int(rng.integers(4)), size[2] / 2 + 0.04
    sign = (-1) ** side
    if side < 2:
        return (
            rng.uniform(-1, 1) * max(0.0, (wide - size[0]) / 2),
            sign * (off - deep / 2),
            side * np.pi,
        )
    z = rng.uniform(-1, 1) * max(0.0, (deep - size[0]) / 2)
    return sign * (off - wide / 2), z, sign * np.pi / 2


def lamps(scene: Scene, room: tuple[float, float, float]) -> None:
    """Hang one to three lamps."""
    rng = scene.rng
    for _ in range(rng.integers(1, 4)):
        place = np.array([rng.uniform(-0.45, 0.45) * room[0], rng.uniform(1.4, 2.2),
                          rng.uniform(-0.45, 0.45) * room[1]])  # fmt: skip
        scene.lights.append(Light(place, tint(rng, 0.25) * rng.uniform(0.8, 4)))


def room(scene: Scene, things: Things) -> None:
    """A furnished room."""
    rng = scene.rng
    size = walls(scene)
    x, z = rng.uniform(-0.46, 0.46) * size[0], rng.uniform(-0.46, 0.46) * size[1]
    yaw = np.arctan2(-x, -z) + rng.normal(0, 0.5)
    place = np.array([x, rng.uniform(0.5, 1.8), z])
    scene.view = View(place, yaw, *np.radians([rng.normal(-8, 9), rng.normal(0, 2.5)]),
                      np.radians(rng.uniform(35, 80)))  # fmt: skip
    furnish(scene, things, size, int(rng.integers(8, 40)), 0.5)
    if rng.random() < 0.2:
        spot = place + 0.5 * size[0] * np.array([np.sin(yaw), 0, np.cos(yaw)]) * rng.uniform(
            0.3, 0.9
        )
        lattice(
            scene, (spot[0], 0, spot[2]), turn(yaw + rng.normal(0, 0.4)), *rng.uniform(0.5, 2, 2)
        )
    lamps(scene, size)


def heap(
    scene: Scene, things: Things, place: tuple[float, float, float], reach_m: float, count: int,
    size_m: tuple[float, float],
) -> None:  # fmt: skip
    """Add many things of any kind around a place."""
    rng = scene.rng
    for _ in range(count):
        spot = (place[0] + rng.normal(0, reach_m), place[1], place[2] + rng.normal(0, reach_m))
        size, kind = spread(rng, *size_m), rng.random()
        if kind < 0.45:
            mesh = things.any(rng)
            turned = tumbled(rng) if rng.random() < 0.2 else turn(rng.uniform(0, 6.3))
            scene.put(mesh, spot, turned, size / max(mesh.size), 0.2)
        elif kind < 0.72:
            part = scene.surface(0.35)
            add_shape(scene, solid(rng), turn(rng.uniform(0, 6.3)), spot, size, part)
        elif kind < 0.84:
            count_of_leaves = int(rng.integers(20, 300))
            leaves(scene, spot, size * 0.6, size * rng.uniform(0.5, 1.5), count_of_leaves)
        elif kind < 0.9:
            branches(scene, spot, size * 1.3, 3)
        elif kind < 0.95:
            lattice(scene, spot, turn(rng.uniform(0, 6.3)), size, size * rng.uniform(0.5, 1.5))
        else:
            animal(scene, spot, rng.uniform(0, 6.3), size * 0.6)


def table_top(scene: Scene, things: Things) -> None:
    """Things on a table or on the floor, seen from near."""
    rng = scene.rng
    size = walls(scene, 2.2, 6.0)
    top = rng.uniform(0.4, 1.0) if rng.random() < 0.7 else 0.0
    away, yaw, pitch = spread(rng, 0.35, 2.0), rng.uniform(0, 6.3), -np.radians(rng.uniform(3, 65))
    if top:
        half = (rng.uniform(0.35, 1.2), 0.03, rng.uniform(0.35, 1.0))
        tile_m = rng.uniform(0.3, 1.5)
        scene.box((0, top - 0.03, 0), half, turn(rng.uniform(0, 6.3)), scene.surface(0.3), tile_m)
    heap(scene, things, (0, top, 0), away * rng.uniform(0.15, 0.35), int(rng.integers(2, 22)),
         (away * 0.12, away * 0.75))  # fmt: skip
    scene.view = looking_at(
        scene, np.array([0, top + away * rng.uniform(0, 0.2), 0]), away, yaw, pitch
    )
    place = scene.view.place
    place[1] = np.clip(place[1], 0.1, size[2] - 0.1)
    for axis, side in ((0, size[0]), (2, size[1])):
        place[axis] = np.clip(place[axis], 0.1 - side / 2, side / 2 - 0.1)
    furnish(scene, things, size, int(rng.integers(3, 16)), 0.6)
    lamps(scene, size)


def looking_at(scene: Scene, target: np.ndarray, away: float, yaw: float, pitch: float) -> View:
    """Return a view of a target from so far away."""
    forward = [np.cos(pitch) * np.sin(yaw), np.sin(pitch), np.cos(pitch) * np.cos(yaw)]
    rng = scene.rng
    return View(target - np.array(forward) * away, yaw + rng.normal(0, 0.08), pitch,
                np.radians(rng.normal(0, 2.5)), np.radians(rng.uniform(30, 75)))  # fmt: skip
