"""Six real pictures whose depth is known, out of packages: fetched, and never committed.

Two have measured truth (Middlebury's motorcycle and aloe), two a device's own (an iPhone's
portrait, a depth sensor), and two are stereo pairs whose disparity semi-global matching finds,
checked from left to right and back.
"""

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

LONGEST_PX = 768
_PYPI = ("scikit-image==0.26.0", "pillow-heif==1.8.1")
_DEBIAN = ("opencv-doc", "visp-images-data")
# Middlebury 2014: depth is baseline x focal length / (disparity + this many pixels).
_MOTORCYCLE_OFFSET_PX = 31.086
_CASTLE = "usr/share/visp-images-data/ViSP-images/mbt-depth/castel/castel"
_HEIF = "pillow_heif-1.8.1/tests/images/heif_other"

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Known:
    """A picture with its truth.

    Attributes:
        name: For people.
        pixels: sRGB uint8, (height, width, 3).
        disparity: Proportional to inverse depth, (height, width); 0 where nobody knows.
    """

    name: str
    pixels: NDArray[np.uint8]
    disparity: Floats


def fetch(folder: Path) -> Path:
    """Download and unpack the packages that are not in a folder yet; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for package in _PYPI:
        name = package.split("==")[0]
        if (folder / f".{name}").exists():
            continue
        kind = "--no-binary" if name == "pillow-heif" else "--only-binary"
        command = ["download", "--quiet", "--no-deps", kind, name, package, "--dest", str(folder)]
        subprocess.run([sys.executable, "-m", "pip", *command], check=True)
        for path in folder.glob(f"{name.replace('-', '_')}*"):
            if path.suffix == ".whl":
                with zipfile.ZipFile(path) as wheel:
                    wheel.extractall(folder)
            elif path.suffix == ".gz":
                with tarfile.open(path) as source:
                    source.extractall(folder, filter="data")
        (folder / f".{name}").touch()
    for name in _DEBIAN:
        if not (folder / f".{name}").exists():
            subprocess.run(["apt-get", "download", name], cwd=folder, check=True)
            (package_file,) = folder.glob(f"{name}_*.deb")
            subprocess.run(["dpkg-deb", "-x", package_file, folder], check=True)
            (folder / f".{name}").touch()
    return folder


def known_pictures(folder: Path) -> list[Known]:
    """Return the six."""
    makers: tuple[Callable[[Path], Known], ...] = (
        _motorcycle, _aloe, _pug, _castle, _spatial, _nokia,
    )  # fmt: skip
    return [_shrunk(make(folder)) for make in makers]


def _shrunk(known: Known) -> Known:
    height, width = known.pixels.shape[:2]
    scale = min(1.0, LONGEST_PX / max(height, width))
    size = (round(width * scale), round(height * scale))
    pixels: Any = cv2.resize(known.pixels, size, interpolation=cv2.INTER_AREA)
    truth: Any = cv2.resize(known.disparity, size, interpolation=cv2.INTER_NEAREST)
    return Known(known.name, pixels, truth)


def _read(path: Path) -> NDArray[np.uint8]:
    pixels: Any = cv2.imread(str(path))
    return np.ascontiguousarray(pixels[..., ::-1])


def _motorcycle(folder: Path) -> Known:
    data = folder / "skimage" / "data"
    with np.load(data / "motorcycle_disp.npz") as kept:
        disparity = kept[kept.files[0]]
    truth = np.where(np.isfinite(disparity), disparity + _MOTORCYCLE_OFFSET_PX, 0)
    return Known("motorcycle", _read(data / "motorcycle_left.png"), truth.astype(np.float32))


def _aloe(folder: Path) -> Known:
    data = folder / "usr/share/doc/opencv-doc/examples/data"
    truth: Any = cv2.imread(str(data / "aloeGT.png"), cv2.IMREAD_GRAYSCALE)
    return Known("aloe", _read(data / "aloeL.jpg"), truth.astype(np.float32))


def _heif(folder: Path, name: str) -> Any:
    import pillow_heif

    return pillow_heif.open_heif(folder / _HEIF / name)


def _pug(folder: Path) -> Known:
    image = _heif(folder, "pug.heic")[0]
    (depth,) = image.info["depth_images"][:1]
    ends = depth.info["metadata"]
    shares = np.asarray(depth.to_pillow().convert("L"), np.float32) / 255
    truth = ends["d_min"] + shares * (ends["d_max"] - ends["d_min"])
    return Known("pug", np.asarray(image.to_pillow().convert("RGB")), truth.astype(np.float32))


def _castle(folder: Path) -> Known:
    data = (folder / _CASTLE / "depth_image_0000.bin").read_bytes()
    height, width = (int(n) for n in np.frombuffer(data[:8], "<u4"))
    depth = np.frombuffer(data[8:], "<u2").reshape(height, width).astype(np.float32)
    truth = np.where(depth > 0, 1000 / np.maximum(depth, 1), 0)
    return Known("castle", _read(folder / _CASTLE / "image_0000.pgm"), truth.astype(np.float32))


def _spatial(folder: Path) -> Known:
    file = _heif(folder, "spatial_photo.heic")
    left, right = (
        cv2.resize(_rgb(file[eye]), (1024, 1024), interpolation=cv2.INTER_AREA) for eye in (0, 1)
    )
    return Known("spatial photo (stereo)", left, _matched(left, right, 128, 0))


def _nokia(folder: Path) -> Known:
    file = _heif(folder, "nokia/stereo_1200x800.heic")
    right, left = _rgb(file[0]), _rgb(file[1])
    found = _matched(left, right, 96, -8)
    return Known("stereo pair", left, np.where(found != 0, np.maximum(found, 0) + 0.5, 0))


def _rgb(image: Any) -> NDArray[np.uint8]:
    return np.asarray(image.to_pillow().convert("RGB"))


def _matched(left: Any, right: Any, count: int, least: int) -> Floats:
    """Return the disparity of the left picture where both ways agree, else 0."""

    def match(first: Any, second: Any) -> Floats:
        matcher = cv2.StereoSGBM_create(
            least, count, 5, 8 * 75, 32 * 75, 1, 63, 10, 150, 2, cv2.STEREO_SGBM_MODE_SGBM_3WAY
        )
        return matcher.compute(first, second).astype(np.float32) / 16

    found = match(left, right)
    back = match(np.ascontiguousarray(right[:, ::-1]), np.ascontiguousarray(left[:, ::-1]))[:, ::-1]
    width = found.shape[1]
    places = np.clip(np.round(np.arange(width) - found).astype(int), 0, width - 1)
    agrees = np.abs(np.take_along_axis(back, places, axis=1) - found) < 1.5
    smooth: Any = cv2.medianBlur(found, 5)
    return np.where((found > least) & agrees, smooth, 0).astype(np.float32)
