"""Bodies of many ages and builds in many poses, from the parametric model Anny (its data: CC0)."""

from pathlib import Path
from typing import Any

import numpy as np

from training.depth.meshes import Mesh, corner_normals

COUNT = 160
SEED = 20
# How far a joint turns at most, in radians: (about its own axis, sideways, forward).
_BENDS = {
    "upperarm01": (0.4, 0.5, 0.9),
    "lowerarm01": (0.5, 0.3, 1.1),
    "upperleg01": (0.2, 0.2, 0.6),
    "lowerleg01": (0.1, 0.1, 0.5),
    "spine02": (0.3, 0.2, 0.2),
    "neck01": (0.4, 0.2, 0.3),
    "head": (0.4, 0.2, 0.3),
}


def make_people(count: int = COUNT) -> list[Mesh]:
    """Return that many bodies, standing on the ground at the origin, their faces towards +z."""
    import torch
    from anny import create_fullbody_model

    model = create_fullbody_model(
        rig="default", topology="default", remove_unattached_vertices=True
    )
    rng = np.random.default_rng(SEED)
    faces = model.get_triangular_faces().numpy()
    bodies = []
    with torch.inference_mode():
        for _ in range(count):
            phenotype = {
                name: torch.tensor([rng.uniform(0.25 if name == "age" else 0.1, 0.9)])
                for name in model.phenotype_labels
            }
            made = model(pose_parameters=_pose(model, rng), phenotype_kwargs=phenotype)
            bodies.append(_dressed(made["vertices"][0].numpy(), faces, rng))
    return bodies


def _pose(model: Any, rng: np.random.Generator) -> Any:
    import torch
    from roma import rotvec_to_rotmat

    turns = np.zeros((len(model.bone_labels), 3), np.float32)
    for place, label in enumerate(model.bone_labels):
        bend = _BENDS.get(label.split(".")[0])
        if bend:
            turns[place] = rng.uniform(-1, 1, 3) * bend
    pose = torch.eye(4).repeat(1, len(turns), 1, 1)
    pose[0, :, :3, :3] = rotvec_to_rotmat(torch.from_numpy(turns))
    return pose


def _dressed(vertices: np.ndarray, faces: np.ndarray, rng: np.random.Generator) -> Mesh:
    """Return a body with hair, skin, a shirt and trousers, told apart by height and reach."""
    points = vertices[:, [0, 2, 1]] * np.array([1, 1, -1])
    points[:, 1] -= points[:, 1].min()
    points[:, [0, 2]] -= np.median(points[:, [0, 2]], axis=0)
    height = points[:, 1].max()
    corners = points[faces].astype(np.float32)
    middle = corners.mean(1) / height
    nose = corners[..., 2].max() / height if rng.random() < 0.1 else 0.0
    part = np.full(len(faces), 1)
    part[(middle[:, 1] < 0.82) & (np.abs(middle[:, 0]) < rng.uniform(0.12, 0.3))] = 2
    part[middle[:, 1] < rng.uniform(0.46, 0.55)] = 3
    part[middle[:, 1] < 0.04] = 4
    hairline = rng.uniform(0.94, 0.985)
    part[(middle[:, 1] > hairline - 0.5 * (nose + np.maximum(-middle[:, 2], 0)))] = 0
    skin = np.array([0.75, 0.52, 0.4]) * rng.uniform(0.25, 1.1)
    hair = np.array([0.25, 0.17, 0.1]) * rng.uniform(0.1, 2.5)
    colours = [hair, skin, *(rng.uniform(0.03, 0.9, 3) for _ in range(3))]
    return Mesh(
        corners=corners,
        texture_points=corners[..., :2] * 2,
        normals=corner_normals(corners, faces, len(points)),
        parts=part,
        colours=[tuple(np.clip(colour, 0.01, 0.95)) for colour in colours],
        textures=[None] * 5,
        size=np.ptp(points, axis=0).astype(np.float32),
        kind="people",
        elevation=0.0,
    )


def store_people(path: Path) -> None:
    """Make the bodies, and keep them in a file."""
    import pickle

    path.write_bytes(pickle.dumps(make_people(), protocol=4))
