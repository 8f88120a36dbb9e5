"""What the demo asks of the studio: pictures graded and mended, a song mastered and taken apart."""

import json
import mimetypes
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio_pipelines.demo.client import DemoFailed, OnProgress, StudioClient

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
LUT = "warm_dusk.cube"
SONG = "music-mix.flac"
GRADED_AT_ONCE = ("tower.jpg", "rocket-sideways.jpg")
GRADED_IN_BACKGROUND = "coffee-p3-16bit.png"
GRADING = "/api/grading/apply"
MASTERING = "/api/audio/master"
INPAINTING_AND_GRADING = "/api/pipelines/inpaint-grade"
SEPARATING_AND_MASTERING = "/api/pipelines/demix-master"
ISLAND = (380, 222, 508, 248)  # in the picture of the tower, in pixels
Follow = Callable[[str], AbstractContextManager[OnProgress]]


@dataclass(frozen=True)
class Result:
    """One finished job.

    Attributes:
        title: What was done, in a few words.
        sample: The file that went in.
        data: The ``data`` of the studio's answer.
        files: Where each downloaded asset is, by its name in the answer.
    """

    title: str
    sample: Path
    data: Mapping[str, Any]
    files: Mapping[str, Path]

    @property
    def main_file(self) -> Path:
        """Where the main asset is: the one at ``data.url``."""
        assets = self.data["assets"].items()
        return next(self.files[name] for name, one in assets if one["url"] == self.data["url"])


def take_tour(client: StudioClient, output: Path, follow: Follow) -> list[Result]:
    """Run the jobs one after the other and download all that they made.

    Args:
        client: The studio.
        output: Folder for the downloads.
        follow: Shows a job's progress while its block lasts, under the title that it is given.

    Raises:
        DemoFailed: A sample is missing, or the studio answered with a problem.
        httpx.HTTPError: The studio does not answer.
    """
    names = (*GRADED_AT_ONCE, GRADED_IN_BACKGROUND, LUT, SONG)
    if missing := [name for name in names if not (SAMPLES / name).is_file()]:
        raise DemoFailed(
            f"The samples {', '.join(missing)} are missing. Run the demo from a full checkout."
        )
    with follow("Upload the samples") as on_progress:
        references: dict[str, str] = {}
        for name in names:
            on_progress(100 * len(references) / len(names), name)
            references[name] = client.upload(SAMPLES / name)
    separating = _begin_separating(client, references[SONG])  # while the pictures are graded
    return [
        *(_grade(client, name, references, output, follow) for name in names[:3]),
        _remove_and_grade(client, references, output, follow),
        _separate_and_master(client, separating, output, follow),
        _master(client, references[SONG], output, follow),
        _master_by_form(client, output, follow),
    ]


def _grade(
    client: StudioClient, name: str, references: Mapping[str, str], output: Path, follow: Follow
) -> Result:
    body = {"image": references[name], "lut": references[LUT], "intensity": 0.9, "format": "png"}
    in_background = name == GRADED_IN_BACKGROUND
    run = client.run_in_background if in_background else client.run
    title = f"Grade {name}" + (", in the background" if in_background else "")
    with follow(title) as on_progress:
        data = run(GRADING, body, on_progress)
        files = _download(client, data, output / f"graded-{Path(name).stem}")
    return Result(title, SAMPLES / name, data, files)


def _master(client: StudioClient, reference: str, output: Path, follow: Follow) -> Result:
    title = "Master for streaming, in the background"
    body = {"audio": reference, "preset": "streaming", "format": "flac"}
    with follow(title) as on_progress:
        data = client.run_in_background(MASTERING, body, on_progress)
        files = _download(client, data, output / "mastered-for-streaming")
    return Result(title, SAMPLES / SONG, data, files)


def _master_by_form(client: StudioClient, output: Path, follow: Follow) -> Result:
    title = "Master for podcasts, sent with the request"
    params = json.dumps({"preset": "podcast", "format": "aac"})
    with follow(title) as on_progress:
        data = client.run_form(MASTERING, {"audio": SAMPLES / SONG}, params, on_progress)
        files = _download(client, data, output / "mastered-for-podcasts")
    return Result(title, SAMPLES / SONG, data, files)


def _remove_and_grade(
    client: StudioClient, references: Mapping[str, str], output: Path, follow: Follow
) -> Result:
    name = GRADED_AT_ONCE[0]
    title = f"Remove the island of {name} and grade it, in one run"
    body = {
        "image": references[name],
        "image_inpaint": {"box": ISLAND},
        "grading_apply": {"lut": references[LUT], "intensity": 0.9},
    }
    with follow(title) as on_progress:
        data = client.run(INPAINTING_AND_GRADING, body, on_progress)
        files = _download(client, data, output / "removed-and-graded")
    return Result(title, SAMPLES / name, data, files)


def _begin_separating(client: StudioClient, reference: str) -> dict[str, Any]:
    body = {
        "audio": reference,
        "audio_demix": {"stems": 4},  # nobody sings in the sample
        "stem_mix": {"gains": {"drums": 3}},
        "audio_master": {"format": "flac"},
    }
    return client.begin(SEPARATING_AND_MASTERING, body)


def _separate_and_master(
    client: StudioClient, begun: dict[str, Any], output: Path, follow: Follow
) -> Result:
    title = "Separate, mix anew and master, in one run"
    with follow(title) as on_progress:
        data = client.follow(begun, on_progress)
        files = _download(client, data, output / "separated-and-mastered")
        for name, asset in data["steps"]["audio_demix"]["assets"].items():
            files[name] = client.download(
                asset, output / "separated-and-mastered" / f"{name}{_suffix(asset)}"
            )
    return Result(title, SAMPLES / SONG, data, files)


def _download(client: StudioClient, data: Mapping[str, Any], folder: Path) -> dict[str, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    return {
        name: client.download(asset, folder / f"{name}{_suffix(asset)}")
        for name, asset in data["assets"].items()
    }


def _suffix(asset: Mapping[str, Any]) -> str:
    named = Path(asset.get("filename") or "").suffix
    return named or mimetypes.guess_extension(asset["mediaType"]) or ""
