"""Where the results of a job are saved."""

import mimetypes
from collections.abc import Iterator, Mapping
from pathlib import Path

import typer

from studio_pipelines.client import Studio
from studio_pipelines.contract.assets import Asset
from studio_pipelines.contract.jobs import FailedItem, JobData, Result


class NoRoomFor(typer.BadParameter):
    """The results do not go where they are wanted."""


def save(studio: Studio, data: JobData, output: str) -> list[Path]:
    """Save results; return the files.

    Args:
        studio: Where they are.
        data: The results.
        output: A file for the main one; or a folder, one that exists or ends in a slash, for all.

    Raises:
        NoRoomFor: There are several main results, and one file for them.
        OSError: A file cannot be written.
        StudioFault: A result cannot be had.
    """
    path = Path(output)
    if path.is_dir() or output.endswith(("/", "\\")):
        return [studio.download(asset, file) for file, asset in _files(data, path)]
    if data.items is not None:
        raise NoRoomFor(
            f"{output} is one file, and there are results of {len(data.items)}: name a folder."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    main = next(one for one in data.assets.values() if one.url == data.url)
    return [studio.download(main, path)]


def _files(data: JobData, folder: Path) -> Iterator[tuple[Path, Asset]]:
    """Give every result with the file that it goes into; a list's items have folders."""
    if data.items is None:
        yield from _named(data.assets, folder)
        return
    for number, item in enumerate(data.items, 1):
        if not isinstance(item, FailedItem):
            yield from _named(item.assets, folder / str(number))


def _named(assets: Mapping[str, Asset], folder: Path) -> Iterator[tuple[Path, Asset]]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, asset in assets.items():
        yield folder / f"{name}{suffix_of(asset)}", asset


def suffix_of(asset: Asset) -> str:
    """Return what a file of an asset's kind ends in."""
    return Path(asset.filename or "").suffix or mimetypes.guess_extension(asset.media_type) or ""


def failed_items(data: Result) -> list[str]:
    """Return what is wrong with each item of a list that could not be done."""
    items = getattr(data, "items", None) or ()
    return [
        f"{number}: {item.error.message}"
        for number, item in enumerate(items, 1)
        if isinstance(item, FailedItem)
    ]
