"""Stored records as clients see them: with URLs."""

from collections.abc import Mapping
from typing import Any

from api.asset_links import AssetLinks


def job_url(job_id: str) -> str:
    """Return the path of a job's record."""
    return f"/api/jobs/{job_id}"


def present_asset(asset: Mapping[str, Any], links: AssetLinks) -> dict[str, Any]:
    """Add its URL to an asset's record."""
    return {**asset, "url": links.url(asset["id"])}


def present_data(data: Mapping[str, Any], links: AssetLinks) -> dict[str, Any]:
    """Add the URLs to a completed job's data; ``url`` is that of the main asset, named first.

    Of a list it is the first item's, and null where that one failed. The steps of a chain get
    theirs as well.
    """
    main = data["main"]
    names = sorted(data["assets"], key=lambda name: name != main)
    assets = {name: present_asset(data["assets"][name], links) for name in names}
    rest = {name: value for name, value in data.items() if name not in ("main", "assets")}
    if "items" in data:
        rest["items"] = [_present_item(item, links) for item in data["items"]]
    if "steps" in data:
        rest["steps"] = {name: present_data(step, links) for name, step in data["steps"].items()}
    return {"url": assets[main]["url"] if main else None, "assets": assets, **rest}


def _present_item(item: Mapping[str, Any], links: AssetLinks) -> Mapping[str, Any]:
    return item if "error" in item else present_data(item, links)


def present_job(record: Mapping[str, Any], links: AssetLinks) -> dict[str, Any]:
    """Return a job's record with the URLs of its assets."""
    shown = {"success": True, **record}
    if "data" in record:
        shown["data"] = present_data(record["data"], links)
    return shown
