"""Shapes of our own: solids, leaves, bars and lattices, branches, animals."""

import numpy as np

from training.depth.scene import Scene, lean, nod, turn
from training.depth.textures import Rng

_Shape = tuple[np.ndarray, np.ndarray, np.ndarray]


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def surface_of(points: np.ndarray, repeat: float = 2.0) -> _Shape:
    """Return a shape from a grid of points (rows, columns, 3) that closes along its columns."""
    rows, columns = points.shape[:2]
    v, u = np.mgrid[0 : 1 : rows * 1j, 0 : 1 : columns * 1j]
    across, down = np.gradient(points, axis=1), np.gradient(points, axis=0)
    across[:, 0] = across[:, -1] = (points[:, 1] - points[:, -2]) / 2
    normals = _unit(np.cross(across, down))
    texture_points = np.stack([u * repeat, v], 2)

    def triangles(grid: np.ndarray) -> np.ndarray:
        a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]
        halves = np.stack([np.stack([a, b, c], 2), np.stack([a, c, d], 2)])
        return halves.reshape(-1, 3, grid.shape[2])

    return triangles(points), triangles(texture_points), triangles(normals)


def turned_profile(radii: np.ndarray, heights: np.ndarray, sides: int = 24) -> _Shape:
    """Return what a lathe makes."""
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    x, z = radii[:, None] * np.cos(angle), radii[:, None] * np.sin(angle)
    return surface_of(np.stack([x, np.broadcast_to(heights[:, None], x.shape), z], 2))


def ellipsoid(rng: Rng, half: object, rough: float) -> _Shape:
    """Return an ellipsoid about the origin with waves on it."""
    polar, around = np.mgrid[0 : np.pi : 18j, 0 : 2 * np.pi : 29j]
    points = np.stack(
        [np.sin(polar) * np.cos(around), np.cos(polar), np.sin(polar) * np.sin(around)], 2
    )
    radius = 1 + sum(
        rng.uniform(0, rough)
        * np.sin(points @ rng.normal(0, rng.uniform(1, 6), 3) + rng.uniform(0, 6))
        for _ in range(3)
    )
    return surface_of(points * radius[..., None] * np.asarray(half))


def rod(start: object, end: object, first_m: float, last_m: float, sides: int = 8) -> _Shape:
    """Return a round bar from one point to another with these radii."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    along = _unit(end - start)
    side = _unit(np.cross(along, [0.31, 0.87, 0.39]))
    other = np.cross(along, side)
    angle = np.linspace(0, 2 * np.pi, sides + 1)[:, None]
    ring = np.cos(angle) * side + np.sin(angle) * other
    return surface_of(np.stack([start + ring * first_m, end + ring * last_m]))


def solid(rng: Rng) -> _Shape:
    """Return something of about one metre that stands on the ground."""
    kind = rng.integers(5)
    if kind == 0:
        shape = ellipsoid(rng, rng.uniform(0.25, 0.6, 3), 0.12)
    elif kind == 1:
        rows = int(rng.integers(3, 9))
        heights = np.linspace(0, 1, rows + 2)
        radii = np.concatenate([[0], rng.uniform(0.1, 0.5, rows), [0]])
        shape = turned_profile(np.repeat(radii, 2)[1:-1], np.repeat(heights, 2)[1:-1])
    elif kind == 2:
        radius = rng.uniform(0.15, 0.6)
        shape = turned_profile(np.array([0, radius, radius, 0]), np.array([0, 0, 1.0, 1.0]))
    elif kind == 3:
        radius = rng.uniform(0.2, 0.6)
        shape = turned_profile(np.array([0, radius, 0]), np.array([0, 0, 1.0]))
    else:
        tube, angle = rng.uniform(0.06, 0.22), np.linspace(0, 2 * np.pi, 13)
        shape = turned_profile(0.45 + tube * np.cos(angle), tube * np.sin(angle))
    points = shape[0] - [0, shape[0][..., 1].min(), 0]
    return points, shape[1], shape[2]


def add_shape(
    scene: Scene, shape: _Shape, turned: np.ndarray, place: object, scale: float, part: int
) -> None:
    """Add a shape, turned and scaled about the origin, then moved."""
    corners, texture_points, normals = shape
    scene.add(
        corners * scale @ turned.T + np.asarray(place), texture_points, normals @ turned.T, part
    )


def leaves(scene: Scene, place: object, radius_m: float, height_m: float, count: int) -> None:
    """Add a cloud of leaves in four greens."""
    rng = scene.rng
    middle = _unit(rng.normal(0, 1, (count, 3))) * radius_m * rng.uniform(0.3, 1, (count, 1)) ** 0.5
    middle[:, 1] *= height_m / radius_m / 2
    middle += np.asarray(place) + [0, height_m / 2, 0]
    length = radius_m * rng.uniform(0.08, 0.4)
    along = _unit(rng.normal(0, 1, (count, 3)))
    across = _unit(np.cross(along, rng.normal(0, 1, (count, 3)))) * length * rng.uniform(0.15, 0.5)
    along = along * length
    halves = [
        np.stack([middle + sign * along, middle + across, middle - across], 1) for sign in (-1, 1)
    ]
    corners = np.concatenate(halves)
    flat = _unit(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    green = np.array([0.25, 0.45, 0.12]) * rng.uniform(0.3, 1.3)
    numbers = np.array([scene.colour(green * rng.uniform(0.5, 1.4, 3)) for _ in range(4)])
    chosen = np.tile(numbers[rng.integers(0, 4, count)], 2)
    points = rng.uniform(0, 1, (len(corners), 3, 2))
    scene.add(corners, points, np.repeat(flat[:, None], 3, 1), chosen)


def lattice(scene: Scene, place: object, turned: np.ndarray, wide_m: float, high_m: float) -> None:
    """Add a fence, a grille or a trellis: thin bars one way or both, upright at a place."""
    rng = scene.rng
    part, gap = scene.surface(0.8), rng.uniform(0.04, 0.3) * max(wide_m, high_m)
    bar = gap * rng.uniform(0.03, 0.18)
    slanted = rng.random() < 0.3
    ways = rng.choice(["bars", "rails", "both"], p=[0.35, 0.2, 0.45])
    for k in np.arange(-wide_m / 2, wide_m / 2 + 1e-6, gap) if ways != "rails" else ():
        shift = high_m * 0.6 if slanted else 0.0
        ends = np.array([[k, 0, 0], [np.clip(k + shift, -wide_m / 2, wide_m / 2), high_m, 0]])
        add_shape(scene, rod(*ends, bar, bar, 6), turned, place, 1.0, part)
    for k in np.arange(0, high_m + 1e-6, gap) if ways != "bars" else (0.15 * high_m, high_m):
        ends = np.array([[-wide_m / 2, k, 0], [wide_m / 2, k, 0]])
        add_shape(scene, rod(*ends, bar, bar, 6), turned, place, 1.0, part)


def branches(scene: Scene, place: object, height_m: float, depth: int = 4) -> None:
    """Add a bare tree or a twig."""
    rng, part = scene.rng, scene.colour(np.array([0.2, 0.14, 0.09]) * scene.rng.uniform(0.3, 2))
    growing = [(np.asarray(place, float), np.array([0, 1.0, 0]), height_m * 0.4, depth)]
    while growing:
        start, along, length, left = growing.pop()
        end = start + along * length
        thick = length * 0.07
        shape = rod(start, end, thick, thick * 0.6, 6)
        scene.add(*shape, part)
        for _ in range(int(rng.integers(2, 4)) if left else 0):
            bent = _unit(along + rng.normal(0, 0.5, 3))
            growing.append((end, bent, length * rng.uniform(0.55, 0.85), left - 1))


def animal(scene: Scene, place: object, yaw: float, length_m: float) -> None:
    """Add a four-legged animal with a coat, out of rounded parts; its head is towards +x."""
    rng, turned = scene.rng, turn(yaw)
    coat = scene.surface(0.35)
    leg, girth = rng.uniform(0.25, 0.6), rng.uniform(0.12, 0.25)
    neck = np.array([0.5 + rng.uniform(0.05, 0.2), leg + girth + rng.uniform(0.05, 0.5), 0])
    head = neck + [rng.uniform(0.05, 0.15), rng.uniform(-0.02, 0.08), rng.uniform(-0.1, 0.1)]
    size = rng.uniform(0.08, 0.18)
    pieces = [
        (ellipsoid(rng, (0.55, girth, girth * rng.uniform(0.7, 1)), 0.05), [0, leg + girth, 0]),
        (ellipsoid(rng, (size * 1.3, size, size * 0.9), 0.04), head),
        (ellipsoid(rng, (size * 0.8, size * 0.5, size * 0.5), 0.04), head + [size, -size * 0.3, 0]),
        (rod([0.4, leg + girth, 0], neck, girth * 0.8, size * 0.7, 12), np.zeros(3)),
        (
            rod(
                [-0.5, leg + girth * 1.3, 0],
                [-0.8, leg * rng.uniform(0.5, 2), rng.uniform(-0.2, 0.2)],
                0.04,
                0.02,
            ),
            np.zeros(3),
        ),
    ]
    for x in (-0.4, 0.38):
        for z in (-0.6, 0.6):
            swing = rng.uniform(-0.15, 0.15)
            pieces.append(
                (
                    rod(
                        [x, leg + girth * 0.6, z * girth],
                        [x + swing, 0, z * girth],
                        0.07,
                        0.035,
                        10,
                    ),
                    np.zeros(3),
                )
            )
    for side in (-1, 1):
        tip = head + [0, size * rng.uniform(1, 2.2), side * size * rng.uniform(0.5, 1)]
        pieces.append(
            (rod(head + [0, size * 0.5, side * size * 0.5], tip, size * 0.4, 0.005), np.zeros(3))
        )
    for shape, offset in pieces:
        moved = (shape[0] + offset, shape[1], shape[2])
        add_shape(scene, moved, turned, place, length_m, coat)
    dark = scene.colour((0.02, 0.02, 0.02))
    for offset in ([1.9, -0.2, 0], [0.9, 0.35, 0.55], [0.9, 0.35, -0.55]):
        nose = ellipsoid(rng, (size * 0.14,) * 3, 0)
        moved = (nose[0] + head + np.array(offset) * size, nose[1], nose[2])
        add_shape(scene, moved, turned, place, length_m, dark)


def tumbled(rng: Rng) -> np.ndarray:
    """Return any rotation."""
    return turn(rng.uniform(0, 6.3)) @ nod(rng.uniform(0, 6.3)) @ lean(rng.uniform(0, 6.3))
