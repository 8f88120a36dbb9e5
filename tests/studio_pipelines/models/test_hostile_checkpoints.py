"""Checkpoints with something else in them than weights: no loader runs it."""

import io
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tiny_inpainting_models
import tiny_sam2
import tiny_vitmatte
import torch
from onnx import TensorProto, helper

from resources.model_folder import InstalledModel
from resources.model_pull import pull
from resources.model_shelf import ModelShelf
from studio_pipelines.errors import UnusableModel
from studio_pipelines.models.demucs_checkpoint import load_demucs
from studio_pipelines.models.inpaint_engines import engine_of
from studio_pipelines.models.matting import (
    PREPARATIONS,
    Preparation,
    SubjectNetwork,
    load_subject_network,
)
from studio_pipelines.models.sam2 import load_sam2
from studio_pipelines.models.spleeter import load_spleeter
from studio_pipelines.models.vitmatte import load_vitmatte


class Payload:
    """Unpickled, it would make a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.target,)


@pytest.fixture
def touched(tmp_path: Path) -> Path:
    return tmp_path / "touched"


def pickled(folder: Path, name: str, touched: Path, *, in_archive: bool = True) -> Path:
    """Write a checkpoint whose pickle has a payload, in the form of torch.save or a bare one."""
    path = folder / name
    if in_archive:
        torch.save({"weight": torch.zeros(2), "more": Payload(touched)}, path)
    else:
        path.write_bytes(pickle.dumps(Payload(touched)))
    return path


def demucs(folder: Path, checkpoint: Callable[[str], Path]) -> None:
    checkpoint("mine.th")
    load_demucs(folder, "mine")


def spleeter(folder: Path, checkpoint: Callable[[str], Path]) -> None:
    load_spleeter(checkpoint("vocals.ckpt"), checkpoint("accompaniment.ckpt"))


def sam2(folder: Path, checkpoint: Callable[[str], Path]) -> None:
    checkpoint("pytorch_model.bin")
    load_sam2(without_weights(tiny_sam2.make(folder / "tiny"), folder), "cpu")


def vitmatte(folder: Path, checkpoint: Callable[[str], Path]) -> None:
    checkpoint("pytorch_model.bin")
    load_vitmatte(without_weights(tiny_vitmatte.make(folder / "tiny"), folder), "cpu")


def lama(folder: Path, checkpoint: Callable[[str], Path]) -> None:
    checkpoint("lama.pt")
    engine_of("lama", {}).load(folder, "cpu")


def trusted_lama(folder: Path, checkpoint: Callable[[str], Path]) -> None:
    checkpoint("lama.pt")
    engine_of("lama", {"trust_code": True}).load(folder, "cpu")


def renamed(folder: Path, checkpoint: Callable[[str], Path]) -> None:
    checkpoint("lama.safetensors")
    engine_of("lama", {}).load(folder, "cpu")


def without_weights(made: Path | None, folder: Path) -> Path:
    """Put a model's other files beside the checkpoint."""
    for path in (folder / "tiny").iterdir():
        if path.suffix != ".safetensors":
            shutil.move(path, folder / path.name)
    return folder


@pytest.mark.parametrize("in_archive", [True, False])
@pytest.mark.parametrize(
    "load",
    [demucs, spleeter, sam2, vitmatte, lama, trusted_lama, renamed],
    ids=lambda f: f.__name__,
)
def test_no_loader_runs_what_a_pickle_holds(
    tmp_path: Path, touched: Path, load: Any, in_archive: bool
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    with pytest.raises(UnusableModel) as refused:
        load(folder, lambda name: pickled(folder, name, touched, in_archive=in_archive))
    assert not touched.exists()
    assert str(tmp_path) not in refused.value.message


def test_the_payload_would_run_if_it_were_unpickled(tmp_path: Path, touched: Path) -> None:
    torch.load(pickled(tmp_path, "any.th", touched), weights_only=False)
    assert touched.exists()


@pytest.mark.parametrize("part", ["data.pkl", "constants.pkl"])
def test_a_torchscript_archive_runs_no_pickle_of_pythons(
    tmp_path: Path, touched: Path, part: str
) -> None:
    made = tiny_inpainting_models.make("tiny-lama-script", tmp_path / "model") / "lama.pt"
    forged = io.BytesIO()
    with zipfile.ZipFile(made) as archive, zipfile.ZipFile(forged, "w") as changed:
        for member in archive.infolist():
            is_part = member.filename.endswith(f"/{part}")
            content = pickle.dumps(Payload(touched), 2) if is_part else archive.read(member)
            changed.writestr(member.filename, content)
    made.write_bytes(forged.getvalue())
    with pytest.raises(UnusableModel, match="TorchScript"):
        engine_of("lama", {"trust_code": True}).load(made.parent, "cpu")
    assert not touched.exists()


@pytest.mark.parametrize("library", ["payload", "os", "studio_pipelines"])
def test_a_pipeline_whose_index_names_other_code_is_refused(
    tmp_path: Path, touched: Path, library: str
) -> None:
    folder = tiny_inpainting_models.make("tiny-sd", tmp_path / "model")
    code = f"import pathlib\npathlib.Path({str(touched)!r}).touch()\nclass Net: pass\n"
    (folder / "unet" / "payload.py").write_text(code)
    (folder / "payload.py").write_text(code)
    index = folder / "model_index.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), "unet": [library, "Net"]}))
    with pytest.raises(UnusableModel, match="diffusers or transformers"):
        engine_of("diffusers", {}).load(folder, "cpu")
    assert not touched.exists()


def network_with_weights_in(folder: Path, where: str) -> Path:
    """Write a network that has its weights, three floats, in another file."""
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1, 3, 1, 1])
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=where)
    shape = [1, 3, 8, 8]
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["x", "w"], ["sum"]),
            helper.make_node("ReduceMean", ["sum"], ["y"], axes=[1], keepdims=1),
        ],
        "elsewhere",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 8, 8])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=9)
    folder.mkdir(exist_ok=True)
    (folder / "network.onnx").write_bytes(model.SerializeToString())
    return folder / "network.onnx"


def pulled(given: Path, files: str, shelf_folder: Path) -> InstalledModel:
    shelf_folder.mkdir()
    (shelf_folder / "own.toml").write_text(
        '[[model]]\nname = "own"\nversion = "1"\nlicence = "MIT"\ncommercial_use = true\n'
        'serves = ["vfx-compositor"]\nrole = "subject"\nengine = "birefnet"\nmemory_mib = 1\n'
        f'options = {{ gives_logits = false }}\nsource = "folder:{given}"\nfiles = [{files}]\n'
    )
    shelf = ModelShelf(shelf_folder, ())
    return pull(shelf, shelf.declarations()["own"], lambda _step: None)


THIRD = np.full(3, 1 / 3, np.float32).tobytes()
ZERO_CODES = np.broadcast_to(np.array(PREPARATIONS["birefnet"].mean, np.float32), (8, 8, 3))


@pytest.mark.parametrize("data", ["network.onnx_data", "weights/network.bin"])
def test_weights_beside_a_network_of_the_users_are_read(tmp_path: Path, data: str) -> None:
    given = tmp_path / "given"
    network_with_weights_in(given, data)
    (given / data).parent.mkdir(exist_ok=True)
    (given / data).write_bytes(THIRD)
    model = pulled(given, f'{{ path = "./", from = ["network.onnx", "{data}"] }}', tmp_path / "m")
    assert set(model.lock.files) == {"network.onnx", data}
    network = load_subject_network(model.folder, "birefnet", {"gives_logits": False})
    assert network.find(ZERO_CODES) == pytest.approx(1 / 3, abs=1e-5)


@pytest.mark.parametrize(
    "where", ["w.bin", "../given/w.bin", "{given}/w.bin", "in/../../given/w.bin"]
)
def test_weights_that_are_not_declared_are_not_read(tmp_path: Path, where: str) -> None:
    given = tmp_path / "given"
    network_with_weights_in(given, where.format(given=given))
    (given / "w.bin").write_bytes(THIRD)
    model = pulled(given, '{ path = "network.onnx", from = "network.onnx" }', tmp_path / "m")
    with pytest.raises(UnusableModel, match="elsewhere") as refused:
        load_subject_network(model.folder, "birefnet")
    assert "declare that as well" in (refused.value.hint or "")


@pytest.mark.parametrize("where", ["../secret.bin", "in/../../secret.bin", "{outside}", "link.bin"])
def test_a_network_that_takes_its_weights_from_elsewhere_is_refused(
    tmp_path: Path, where: str
) -> None:
    outside, folder = tmp_path / "secret.bin", tmp_path / "model"
    path = network_with_weights_in(folder, where.format(outside=outside))
    outside.write_bytes(THIRD)
    (folder / "link.bin").symlink_to(outside)
    with pytest.raises(UnusableModel, match="elsewhere") as refused:
        SubjectNetwork(path, Preparation((0, 0, 0), (1, 1, 1)))
    assert str(tmp_path) not in refused.value.message


@pytest.mark.parametrize("content", [b"", b"no network", onnx.ModelProto().SerializeToString()])
def test_what_is_no_network_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "network.onnx").write_bytes(content)
    with pytest.raises(UnusableModel, match="ONNX"):
        SubjectNetwork(tmp_path / "network.onnx", Preparation((0, 0, 0), (1, 1, 1)))
