"""The demo's words: tables of what the studio measured and of its workers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from studio_pipelines.contract.service import WorkerRow
from studio_pipelines.demo.tour import Result

_STYLE: dict[str, Any] = {
    "box": box.SIMPLE_HEAD,
    "padding": (0, 2, 0, 0),
    "pad_edge": False,
    "show_edge": False,
    "title_justify": "left",
    "title_style": "bold",
}
# What a figure of a verification means; those of before and after have both values.
_BEFORE_AND_AFTER = {
    "integratedLufs": "loudness {} to {} LUFS",
    "truePeakDb": "true peak {} to {} dBTP",
}
_WORDS = {
    "meanDeltaE2000": "colours moved by {:.1f} (CIEDE2000) on average",
    "clippedShareAfter": "{:.2%} of the pixels clipped",
    "subjectShare": "the subject covers {:.0%} of the picture",
    "unsureShare": "{:.1%} of the picture is half transparent",
    "pointsAgree": "{:.0%} of the clicks are where they should be",
    "stability": "{:.0%} of the mask stays at other thresholds",
    "edgeAgreement": "its edges lie on the photo's: {:.2f} of 1",
    "finiteShare": "a depth for {:.0%} of the pixels",
}


def results_table(results: Sequence[Result]) -> Table:
    """Tabulate each job: how long it took and what it measured of its own result."""
    table = Table(title="What the studio measured of its own results", **_STYLE)
    table.add_column("Job", max_width=36)
    table.add_column("Took", justify="right", no_wrap=True)
    table.add_column("Passed", no_wrap=True)
    table.add_column("Measured")
    for result in results:
        verification = result.data.verification
        table.add_row(
            Text(result.errand.title, "bold"),
            f"{result.data.timings.run_ms / 1000:.1f} s",
            Text("✓ yes", "green") if verification["passed"] else Text("✗ no", "red"),
            "\n".join(figures(verification)),
            end_section=True,
        )
    return table


def addresses(results: Sequence[Result]) -> Iterator[Text]:
    """Tell each main asset's address, and where it was saved."""
    for result in results:
        place = "/".join(result.main_file.parts[-2:])
        yield Text.assemble((str(result.data.url), "cyan"), ("  →  ", "dim"), place)


def workers_table(rows: Sequence[WorkerRow]) -> Table:
    """Tabulate the workers' status."""
    table = Table(title="The workers", **_STYLE)
    for heading in ("Worker", "Route", "Status", "Memory", "Heartbeat"):
        table.add_column(heading, no_wrap=True)
    for row in rows:
        age_ms = row.heartbeat_age_ms
        table.add_row(
            row.id,
            row.route,
            Text(row.status, "green" if row.ready else "dim"),
            _memory(row),
            "" if age_ms is None else f"{age_ms} ms",
        )
    return table


def _memory(row: WorkerRow) -> str:
    if row.vram is not None and row.vram.used_mib is not None:
        return f"{row.vram.used_mib:,.0f} MiB {row.vram.device}"
    return "" if row.rss_mib is None else f"{row.rss_mib:,.0f} MiB cpu"


def figures(verification: Mapping[str, Any]) -> Iterator[str]:
    """Give in words what a job measured of its result, and why it is not what was asked for."""
    before, after = verification.get("before") or {}, verification.get("after") or {}
    for name, words in _BEFORE_AND_AFTER.items():
        if name in after:
            yield words.format(_level(before.get(name)), _level(after[name]))
    for name, words in _WORDS.items():
        if verification.get(name) is not None:
            yield words.format(verification[name])
    if not verification["passed"] and verification.get("reason"):
        yield str(verification["reason"])


def _level(value: float | None) -> str:
    """Write a level; silence has none."""
    return "none" if value is None else f"{value:.1f}"
