"""The errands, all asked for at once and each followed to its end."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from studio_pipelines.client import OnProgress, Studio
from studio_pipelines.contract.assets import Asset
from studio_pipelines.contract.jobs import Job, JobData
from studio_pipelines.demo.errands import Errand
from studio_pipelines.remote.results import suffix_of

Follow = Callable[[str], AbstractContextManager[OnProgress]]


class DemoFailed(RuntimeError):
    """The demo cannot be shown; the message says why, in plain words."""


@dataclass(frozen=True)
class Result:
    """One errand that is done.

    Attributes:
        errand: What was asked.
        data: The ``data`` of the studio's answer.
        files: Where each downloaded asset is, by its name in the answer; those of an earlier step
            of a chain as ``step/name``.
    """

    errand: Errand
    data: JobData
    files: Mapping[str, Path]

    @property
    def main_file(self) -> Path:
        """Where the main asset is: the one at ``data.url``."""
        return next(self.files[name] for name, one in _named(self.data) if one.url == self.data.url)

    @property
    def shown_file(self) -> Path:
        """What is looked at.

        Raises:
            DemoFailed: The studio has not made it.
        """
        shows = self.errand.shows
        if shows is None:
            return self.main_file
        if shows not in self.files:
            raise DemoFailed(f"{self.errand.title}: the studio gave no {shows}.")
        return self.files[shows]


def take_tour(
    studio: Studio, errands: Sequence[Errand], output: Path, follow: Follow
) -> list[Result]:
    """Submit every job, then follow all of them, and download what they make.

    Args:
        studio: The studio.
        errands: What to ask, in this order.
        output: Folder for the downloads.
        follow: Shows a job's progress while its block lasts, under the title that it is given.

    Raises:
        DemoFailed: A sample is missing.
        StudioFault: The studio refuses or does not answer, or a job fails.
    """
    samples = sorted({path for errand in errands for path in errand.samples.values()})
    if missing := [path.name for path in samples if not path.is_file()]:
        raise DemoFailed(
            f"The samples {', '.join(missing)} are missing. Run the demo from a full checkout."
        )
    # Whoever looks on wants to see the work done, however often.
    jobs = [
        studio.submit(errand.operation, **errand.samples, **errand.fields, cache=False)
        for errand in errands
    ]

    def done(errand: Errand, job: Job) -> Result:
        with follow(errand.title) as on_progress:
            data = studio.wait(job, on_progress=on_progress).data
            assert data is not None  # it has completed
            return Result(errand, data, _downloaded(studio, data, output / errand.folder))

    with ThreadPoolExecutor(len(errands)) as crew:
        return list(crew.map(done, errands, jobs))


def _downloaded(studio: Studio, data: JobData, folder: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for name, asset in _named(data):
        path = folder / f"{name}{suffix_of(asset)}"
        path.parent.mkdir(parents=True, exist_ok=True)
        files[name] = studio.download(asset, path)
    return files


def _named(data: JobData) -> Iterator[tuple[str, Asset]]:
    """Give the results by name, and those of a chain's earlier steps below their step's name."""
    yield from data.assets.items()
    for step in list(data.steps or {})[:-1]:
        assert data.steps is not None
        for name, asset in data.steps[step].assets.items():
            yield f"{step}/{name}", asset
