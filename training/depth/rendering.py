"""Rays into a scene: a picture in linear light and its exact inverse depth."""

import cv2
import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from training.depth.scene import Material, Scene, lean, nod, turn
from training.depth.textures import linear, photo, tint


class Hits:
    """Where the camera's rays end."""

    def __init__(self, scene: Scene, width: int, height: int) -> None:
        self.corners = np.concatenate(scene.corners)
        self._uv = np.concatenate(scene.texture_points)
        view = scene.view
        self.focal_px = max(width, height) / 2 / np.tan(view.fov / 2)
        x, y = np.meshgrid(
            (np.arange(width) + 0.5 - width / 2) / self.focal_px,
            (height / 2 - np.arange(height) - 0.5) / self.focal_px,
        )
        rays = np.stack([x, y, np.ones_like(x)], 2).reshape(-1, 3)
        rays = rays @ (turn(view.yaw) @ nod(-view.pitch) @ lean(view.roll)).T
        length = np.linalg.norm(rays, axis=1)
        self.rays = (rays / length[:, None]).astype(np.float32)
        origins = np.tile(view.place.astype(np.float32), (len(rays), 1))
        self.tracer = EmbreeScene()
        TriangleMesh(self.tracer, self.corners)
        found = self.tracer.run(origins, self.rays, query="INTERSECT", output=True)
        self.is_hit = found["primID"] >= 0
        self.depth_m = np.where(self.is_hit, found["tfar"] / length, np.inf)
        self.triangle = found["primID"][self.is_hit]
        u, v = (found[key][self.is_hit, None] for key in "uv")
        self._weights = (1 - u - v, u, v)
        self.seen_along = self.rays[self.is_hit]
        self.points = view.place + self.seen_along * found["tfar"][self.is_hit, None]
        normals = self._mixed(np.concatenate(scene.normals))
        normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
        self.normals = normals * -np.sign((normals * self.seen_along).sum(1, keepdims=True))
        self.parts = np.concatenate(scene.parts)[self.triangle]

    def _mixed(self, by_corner: np.ndarray) -> np.ndarray:
        return sum(by_corner[self.triangle, k] * self._weights[k] for k in range(3))

    def colours(self, materials: list[Material]) -> tuple[np.ndarray, np.ndarray]:
        """Return each hit's colour and glow."""
        uv, spread_px = self._mixed(self._uv), self._footprint()
        colours = np.zeros((len(self.parts), 3), np.float32)
        glow = np.zeros(len(self.parts), np.float32)
        for number in np.unique(self.parts):
            one, chosen = materials[number], np.flatnonzero(self.parts == number)
            glow[chosen] = one.glow
            colours[chosen] = one.colour
            if one.levels is not None:
                colours[chosen] *= _looked_up(one.levels, uv[chosen], spread_px[chosen])
        return colours, glow

    def _footprint(self) -> np.ndarray:
        """Return how much of the texture a pixel covers."""
        a, b = self.corners[:, 1] - self.corners[:, 0], self.corners[:, 2] - self.corners[:, 0]
        area = np.linalg.norm(np.cross(a, b), axis=1)
        e, f = self._uv[:, 1] - self._uv[:, 0], self._uv[:, 2] - self._uv[:, 0]
        density = np.sqrt(np.abs(e[:, 0] * f[:, 1] - e[:, 1] * f[:, 0]) / np.maximum(area, 1e-12))
        facing = np.maximum(-(self.normals * self.seen_along).sum(1), 0.08)
        return density[self.triangle] * self.depth_m[self.is_hit] / self.focal_px / np.sqrt(facing)


def _looked_up(levels: list[np.ndarray], uv: np.ndarray, footprint: np.ndarray) -> np.ndarray:
    """Return a texture's bilinear values at the level that suits each footprint."""
    wanted = np.log2(np.maximum(footprint * max(levels[0].shape[:2]), 1e-6))
    chosen = np.clip(np.round(wanted), 0, len(levels) - 1).astype(int)
    colours = np.zeros((len(uv), 3), np.float32)
    for level in np.unique(chosen):
        here, picture = np.flatnonzero(chosen == level), levels[level]
        height, width = picture.shape[:2]
        x, y = uv[here, 0] % 1 * width - 0.5, (1 - uv[here, 1] % 1) * height - 0.5
        x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
        fx, fy = (x - x0)[:, None], (y - y0)[:, None]
        rows, columns = (y0 % height, (y0 + 1) % height), (x0 % width, (x0 + 1) % width)
        upper = picture[rows[0], columns[0]] * (1 - fx) + picture[rows[0], columns[1]] * fx
        lower = picture[rows[1], columns[0]] * (1 - fx) + picture[rows[1], columns[1]] * fx
        colours[here] = upper * (1 - fy) + lower * fy
    return colours


def shade(scene: Scene, hits: Hits) -> np.ndarray:
    """Return the hits' light: ambient, glow, and lamps with shadows and highlights."""
    rng = scene.rng
    colours, glow = hits.colours(scene.materials)
    ambient = scene.ambient * (0.12 if scene.is_night else 1)
    light = colours * (ambient * (0.75 + 0.25 * hits.normals[:, 1:2]) + glow[:, None])
    gloss = rng.uniform(0, 0.25)
    lifted = (
        hits.points + hits.normals * 0.004 * np.maximum(1, hits.depth_m[hits.is_hit] * 0.3)[:, None]
    )
    for lamp in scene.lights:
        if lamp.is_sun:
            towards, reach, fall = (
                np.tile(lamp.place, (len(lifted), 1)),
                np.full(len(lifted), 1e6),
                1.0,
            )
        else:
            towards = lamp.place - hits.points
            reach = np.linalg.norm(towards, axis=1)
            towards = towards / reach[:, None]
            fall = 1 / (1 + reach[:, None] ** 2 * 0.6)
        soft = rng.normal(0, 0.02 if lamp.is_sun else 0.04, towards.shape)
        free = hits.tracer.run(
            lifted.astype(np.float32), (towards + soft).astype(np.float32), query="DISTANCE"
        )
        lit = (free > reach - 0.02)[:, None]
        between = towards - hits.seen_along
        between /= np.linalg.norm(between, axis=1, keepdims=True)
        falling = np.maximum((hits.normals * towards).sum(1, keepdims=True), 0)
        shine = np.maximum((hits.normals * between).sum(1, keepdims=True), 0) ** 30
        light = light + (colours * falling + gloss * shine) * lit * lamp.colour * fall
    return light


def sky(scene: Scene, elevation: np.ndarray) -> np.ndarray:
    """Return the light from where no ray ends, (height, width, 3)."""
    rng, (height, width) = scene.rng, elevation.shape
    if rng.random() < 0.2:
        seen = cv2.resize(linear(photo(rng, scene.looks)), (width, height))
        return cv2.GaussianBlur(seen, (0, 0), rng.uniform(1, 12)) * (0.1 if scene.is_night else 1)
    zenith = np.array([0.12, 0.28, 0.75]) * rng.uniform(0.4, 1.4)
    if rng.random() < 0.35:
        zenith = np.full(3, rng.uniform(0.3, 1))
    horizon = np.array([0.75, 0.85, 1.0]) * rng.uniform(0.6, 1.3) * tint(rng, 0.2)
    share = np.clip(elevation, 0, 1)[..., None] ** 0.6
    light = horizon * (1 - share) + zenith * share
    if rng.random() < 0.6:
        clouds = sum(
            cv2.resize(rng.uniform(0, 1, (2**k + 2, 2**k + 3)).astype(np.float32), (width, height),
                       interpolation=cv2.INTER_CUBIC) / k
            for k in range(2, 7)
        )  # fmt: skip
        clouds = (clouds - clouds.mean()) / clouds.std() * rng.uniform(0.3, 1) + rng.uniform(
            -0.5, 0.7
        )
        cover = np.clip(clouds, 0, 1)[..., None]
        light = light * (1 - cover) + cover * rng.uniform(0.6, 1.1)
    return light * (rng.uniform(0.002, 0.03) if scene.is_night else 1)
