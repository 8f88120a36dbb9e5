"""Streets and meadows, people, and flat surfaces whose pattern means nothing."""

import numpy as np

from training.depth.indoors import furnish, heap, lamps, looking_at, walls
from training.depth.scene import Light, Scene, View, lean, nod, turn
from training.depth.shapes import add_shape, animal, branches, lattice, leaves, rod, solid, tumbled
from training.depth.textures import facade, pattern, photo, texture, tint
from training.depth.things import INDOORS, OUTDOORS, PEOPLE, Things, spread


def ground(scene: Scene) -> None:
    """Add ground to the horizon, hilly far away."""
    rng, count = scene.rng, 48
    part = scene.covered(texture(rng, scene.looks, scene.patterned), tint(rng, 0.3))
    if rng.random() < 0.25:
        part = scene.colour(np.array([0.2, 0.3, 0.1]) * tint(rng, 0.5))
    x, z = np.meshgrid(
        np.linspace(-1, 1, count) ** 3 * 400, np.linspace(0, 1, count) ** 2.2 * 600 - 8
    )
    away = np.hypot(x, z)
    y = rng.uniform(0, 0.06) * away * (rng.random() < 0.5) * 0.5
    y = y * (np.sin(x * 0.05 + rng.uniform(0, 6)) + np.sin(z * 0.04 + rng.uniform(0, 6)))
    y[away < 6] = 0
    points = np.stack([x, y, z], 2)
    a, b, c, d = points[:-1, :-1], points[1:, :-1], points[:-1, 1:], points[1:, 1:]
    corners = np.concatenate(
        [np.stack([a, b, c], 2).reshape(-1, 3, 3), np.stack([b, d, c], 2).reshape(-1, 3, 3)]
    )
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    scene.add(
        corners, corners[..., [0, 2]] / rng.uniform(0.5, 6), np.repeat(flat[:, None], 3, 1), part
    )
    if rng.random() < 0.5:
        road = (
            scene.colour(np.full(3, rng.uniform(0.05, 0.5)))
            if rng.random() < 0.6
            else scene.surface(0.2)
        )
        left = rng.uniform(-6, 1)
        scene.quad((left, 0.02, -5), (0, 0, 300), (rng.uniform(2, 7), 0, 0), road, 3)


def _houses(scene: Scene, count: int) -> None:
    rng = scene.rng
    for _ in range(count):
        z, (w, h, d) = spread(rng, 8, 150), rng.uniform((2, 2.5, 2), (14, 22, 14))
        beside = (-1) ** rng.integers(2) * (w + rng.uniform(1, z * 0.6))
        x = beside if rng.random() < 0.8 else rng.uniform(-0.3, 0.3) * z
        if z - d < 4:
            continue
        looks = scene.covered(facade(rng, night=scene.is_night), glow=0.8 * scene.is_night)
        part = looks if rng.random() < 0.75 else scene.surface(0.3)
        turned = turn(rng.choice([0, np.pi / 2]) + rng.normal(0, 0.15))
        scene.box((x, h / 2, z + d), (w / 2, h / 2, d / 2), turned, part, rng.uniform(6, 15))
        if rng.random() < 0.35:
            points, texture_points, normals = solid(rng)
            moved = points * [w * 1.1, h * 0.4, d * 1.1] + [x, h, z + d]
            scene.add(moved, texture_points, normals, scene.surface(0.5))


def _trees(scene: Scene, count: int) -> None:
    rng = scene.rng
    for _ in range(count):
        z, h = spread(rng, 4, 120), rng.uniform(2, 12)
        x = rng.uniform(-0.7, 0.7) * z
        if rng.random() < 0.2:
            branches(scene, (x, 0, z), h, 5)
            continue
        bark = scene.colour(np.array([0.2, 0.13, 0.08]) * rng.uniform(0.4, 1.5))
        scene.add(*rod((x, 0, z), (x, h * 0.5, z), h * 0.04, h * 0.03), bark)
        leaves(
            scene, (x, h * 0.3, z), h * rng.uniform(0.2, 0.4), h * 0.7, int(rng.integers(150, 700))
        )


def _posts(scene: Scene, count: int) -> None:
    """Add lamp posts, poles and fences."""
    rng = scene.rng
    for _ in range(count):
        z = spread(rng, 1.5, 50)
        x = rng.uniform(-0.6, 0.6) * z
        if rng.random() < 0.5:
            part, h = scene.surface(0.8), rng.uniform(1, 8)
            scene.add(*rod((x, 0, z), (x + rng.normal(0, 0.05), h, z), 0.05, 0.04), part)
            continue
        yaw = rng.choice([0, np.pi / 2]) + rng.normal(0, 0.3)
        lattice(scene, (x, 0, z), turn(yaw), rng.uniform(1.5, 12), rng.uniform(0.6, 2.5))


def outdoors(scene: Scene, things: Things) -> None:
    """A street, a meadow or a wood."""
    rng = scene.rng
    scene.is_open = True
    high = spread(rng, 0.4, 3) if rng.random() < 0.8 else rng.uniform(4, 25)
    pitch = rng.normal(-3, 7) - 10 * (high > 4)
    scene.view = View(np.array([0, high, 0.0]), 0.0, *np.radians([pitch, rng.normal(0, 2.5)]),
                      np.radians(rng.uniform(28, 75)))  # fmt: skip
    ground(scene)
    _houses(scene, int(rng.integers(0, 14)) if rng.random() < 0.7 else 0)
    _trees(scene, int(rng.integers(0, 20)))
    _posts(scene, int(rng.integers(0, 8)))
    for _ in range(rng.integers(3, 20)):
        z, kind = spread(rng, 2, 40), rng.random()
        x = rng.uniform(-0.6, 0.6) * z
        if kind < 0.2:
            animal(scene, (x, 0, z + 1), rng.uniform(0, 6.3), spread(rng, 0.4, 1.8))
            continue
        mesh = things.pick(rng, (*OUTDOORS, *PEOPLE) if rng.random() < 0.85 else INDOORS)
        if mesh is not None and z - max(mesh.size) / 2 > 0.8:
            yaw = rng.uniform(0, 6.3) if rng.random() < 0.6 else rng.choice([0, np.pi])
            scene.put(mesh, (x, 0, z), turn(yaw), rng.uniform(0.8, 1.3), 0.05)
    if rng.random() < 0.35:
        near = (rng.normal(0, 0.5), 0, rng.uniform(3, 7))
        heap(scene, things, near, 2, int(rng.integers(1, 7)), (0.3, 1.6))
    daylight(scene)


def daylight(scene: Scene) -> None:
    """Add a sun, or the moon and lamps that stand about."""
    rng = scene.rng
    up, around = np.radians(rng.uniform(15, 75)), rng.uniform(0, 6.3)
    sun = np.array([np.cos(up) * np.sin(around), np.sin(up), np.cos(up) * np.cos(around)])
    strength = rng.uniform(0.2, 1.6) * (0.06 if scene.is_night else 1)
    scene.lights.append(Light(sun, tint(rng, 0.2) * strength, is_sun=True))
    for _ in range(rng.integers(1, 4) if scene.is_night else 0):
        z = rng.uniform(2, 20)
        place = scene.view.place + [rng.uniform(-0.5, 0.5) * z, rng.uniform(0.5, 4), z]
        warm = np.array([1, 0.75, 0.45]) if rng.random() < 0.6 else rng.uniform(0.3, 1, 3)
        scene.lights.append(Light(place, warm * rng.uniform(3, 30)))


def portrait(scene: Scene, things: Things) -> None:
    """People or an animal in front of something; faces from near in half of the pictures."""
    rng = scene.rng
    away, yaw = spread(rng, 0.45, 3.5), rng.uniform(-0.3, 0.3)
    is_animal = rng.random() < 0.25
    first = things.person(rng)
    length = spread(rng, 0.4, 1.6)
    high = (
        length * rng.uniform(0.4, 1.0)
        if is_animal
        else first.size[1] - 0.12 * min(away, 3) * rng.uniform(0.4, 3)
    )
    pitch = np.radians(rng.normal(0, 8))
    if is_animal:
        pitch, away = pitch - np.radians(rng.uniform(0, 30)), away + length * 0.5
    back = away + rng.uniform(0.5, 5)
    scene.view = looking_at(scene, np.array([0, max(high, 0.3), away]), away, yaw, pitch)
    scene.view.fov = np.radians(rng.uniform(25, 60))
    scene.view.place[1] = max(scene.view.place[1], 0.15)
    if rng.random() < 0.55:
        _backdrop(scene, things, away, back)
    else:
        scene.is_open = True
        ground(scene)
        _trees(scene, int(rng.integers(0, 10)))
        _houses(scene, int(rng.integers(0, 6)))
        daylight(scene)
    if is_animal:
        animal(scene, (0, 0, away), rng.uniform(0, 6.3), length)
    else:
        scene.put(
            first, (rng.normal(0, 0.1), 0, away), turn(np.pi + yaw + rng.normal(0, 0.6)), 1, 0.08
        )
    for _ in range(0 if rng.random() < 0.6 else rng.integers(1, 4)):
        place = (rng.choice([-1, 1]) * rng.uniform(0.4, 1.2), 0, away + rng.uniform(0.1, 3))
        scene.put(things.person(rng), place, turn(np.pi + rng.normal(0, 0.8)), 1, 0.08)


def _backdrop(scene: Scene, things: Things, away: float, back: float) -> None:
    rng, high, half = scene.rng, scene.rng.uniform(2.3, 3.5), 2 * back
    wall = scene.surface(0.4)
    scene.quad(
        (-half, 0, -half),
        (0, 0, 2 * half),
        (2 * half, 0, 0),
        scene.surface(0.3),
        rng.uniform(0.5, 2),
    )
    scene.quad((-half, high, -half), (2 * half, 0, 0), (0, 0, 2 * half), scene.surface(0.85), 2)
    scene.quad((-half, 0, back), (2 * half, 0, 0), (0, high, 0), wall, rng.uniform(0.8, 3))
    for x in (-half, half):
        scene.quad((x, 0, -half), (0, 0, 2 * half), (0, high, 0), wall, rng.uniform(0.8, 3))
    for _ in range(rng.integers(0, 8)):
        mesh, z = things.pick(rng, INDOORS), rng.uniform(away + 0.5, max(away + 0.6, back - 0.2))
        if mesh is not None and max(mesh.size) < 2.5:
            up = mesh.elevation if mesh.elevation < high - 0.6 else 0
            scene.put(mesh, (rng.uniform(-0.7, 0.7) * z, up, z), turn(rng.uniform(0, 6.3)), 1, 0.05)
    if rng.random() < 0.4:
        shown = scene.covered(photo(rng, scene.looks)[::-1])
        scene.quad((-back * 0.5, 0.4, back - 0.05), (back, 0, 0), (0, 1.8, 0), shown)
    for _ in range(rng.integers(1, 4)):
        place = scene.view.place + rng.uniform(-2, 2, 3)
        place[1] = rng.uniform(1.4, 2.2)
        scene.lights.append(Light(place, tint(rng, 0.25) * rng.uniform(0.8, 4)))


def flat(scene: Scene, things: Things) -> None:
    """Planes with strong patterns or pictures on them, slanted, with a few things before them."""
    rng = scene.rng
    scene.patterned = 0.8
    size = walls(scene, 3.0, 7.0)
    away, yaw = spread(rng, 0.4, 2.0), rng.uniform(0, 6.3)
    scene.view = looking_at(scene, np.array([0, 1.2, 0]), away, yaw, np.radians(rng.normal(0, 12)))
    scene.view.roll = rng.normal(0, 0.3)
    facing = turn(yaw + rng.uniform(-1.1, 1.1)) @ tilted(rng)
    for _ in range(1 if rng.random() < 0.6 else rng.integers(2, 5)):
        drawn = pattern(rng) if rng.random() < 0.65 else photo(rng, scene.looks)[::-1]
        half = np.append(rng.uniform(0.15, 1.1, 2) * away * rng.uniform(0.5, 1.5), 0.004)
        centre = np.array([0, 1.2, 0]) + rng.normal(0, 0.15, 3) * away
        scene.box(centre, half, facing, scene.covered(drawn), max(2 * half[0], rng.uniform(0.2, 2)))
        facing = turn(yaw + rng.uniform(-1.1, 1.1)) @ tilted(rng)
    for _ in range(rng.integers(0, 4)):
        place = np.array([0, 1.2, 0]) + rng.normal(0, 0.3, 3) * away
        add_shape(
            scene,
            solid(rng),
            tumbled(rng),
            place,
            away * rng.uniform(0.08, 0.35),
            scene.surface(0.3),
        )
    furnish(scene, things, size, int(rng.integers(0, 10)), 0.5)
    lamps(scene, size)


def tilted(rng: np.random.Generator) -> np.ndarray:
    """Return a rotation that tilts what stands upright."""
    return nod(rng.normal(0, 0.45)) @ lean(rng.normal(0, 0.3))
