"""Make the weights of studio-depth-small: ``python -m training.depth STAGE --folder FOLDER``.

The stages, in their order: ``people``, ``assets`` (of the packages that ASSETS.md names, unpacked
in FOLDER/packages), ``scenes``, ``encode``, ``learn``, ``blend``. Each goes on where it was
stopped, but ``learn``, which begins anew.
"""

import argparse
import multiprocessing
import pickle
from pathlib import Path

from resources.model_shelf import ModelShelf
from studio_pipelines.model_shelf import DECLARATIONS
from studio_pipelines.settings import load_settings

_VALIDATED = 24


def main() -> None:
    """Run a stage."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    stages = ("people", "assets", "scenes", "encode", "learn", "blend")
    parser.add_argument("stage", choices=stages)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--scenes", type=int, default=719, help="numbers tried; some show too little"
    )
    parser.add_argument("--steps", type=int, default=1100)
    parser.add_argument("--until", type=int, default=1100, help="step whose weights are kept")
    given = parser.parse_args()
    folder = given.folder
    if given.stage == "people":
        from training.depth.people import store_people

        store_people(folder / "people.pkl")
    elif given.stage == "assets":
        from training.depth.assets import collect

        things = collect(folder / "packages", folder / "people.pkl")
        (folder / "assets.pkl").write_bytes(pickle.dumps(things, protocol=4))
    elif given.stage == "scenes":
        from training.depth.render import render_range

        assets, scenes = folder / "assets.pkl", folder / "scenes"
        render_range(assets, scenes, 0, given.scenes, given.processes)
    elif given.stage == "encode":
        _encode(folder, given.processes)
    elif given.stage == "learn":
        from training.depth.learning import learn

        target = folder / "head.safetensors"
        learn(folder / "encoded", given.steps, target, given.processes, given.until)
    else:
        _blend(folder)


def _shelf() -> ModelShelf:
    return ModelShelf(load_settings().models_dir, (DECLARATIONS,), "commercial")


def _encode(folder: Path, processes: int) -> None:
    from training.depth.encoding import encode_scenes

    segmenter = _shelf().choose("mask-segmenter", "mobile-sam").folder / "encoder.onnx"
    parts = [
        (segmenter, folder / "scenes", folder / "encoded", part, processes)
        for part in range(processes)
    ]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        pool.starmap(encode_scenes, parts)


def _blend(folder: Path) -> None:
    from training.depth.blending import choose_weight

    shelf = _shelf()
    subject = shelf.best("depth-estimator", "subject")
    assert subject is not None
    model = shelf.choose("depth-estimator", "studio-depth-small").folder
    scenes = sorted((folder / "scenes").glob("*.npz"))[:_VALIDATED]
    ranks = choose_weight(model, subject.folder, subject.declaration.engine, scenes)
    for weight, rank in ranks.items():
        print(f"{weight}: {rank}")


if __name__ == "__main__":
    main()
