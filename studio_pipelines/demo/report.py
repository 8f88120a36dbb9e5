"""The demo's words: tables of what the studio measured and of its workers."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from studio_pipelines.demo.tour import Result

_STYLE: dict[str, Any] = {
    "box": box.SIMPLE_HEAD,
    "padding": (0, 2, 0, 0),
    "pad_edge": False,
    "show_edge": False,
    "title_justify": "left",
    "title_style": "bold",
}


def results_table(results: list[Result]) -> Table:
    """Tabulate each job: how long it took and what it measured of its own result."""
    table = Table(title="What the studio measured of its own results", **_STYLE)
    table.add_column("Job", max_width=24)
    table.add_column("Took", justify="right", no_wrap=True)
    table.add_column("Passed", no_wrap=True)
    table.add_column("Measured")
    for result in results:
        verification = result.data["verification"]
        table.add_row(
            Text(result.title, "bold"),
            f"{result.data['timings']['totalMs'] / 1000:.2f} s",
            Text("✓ yes", "green") if verification["passed"] else Text("✗ no", "red"),
            Text("\n").join(
                Text.assemble((f"{name}  ", "dim"), value) for name, value in figures(verification)
            ),
            end_section=True,
        )
    return table


def addresses(results: list[Result]) -> Iterator[Text]:
    """Tell each main asset's address, and where it was saved."""
    for result in results:
        place = "/".join(result.main_file.parts[-2:])
        yield Text.assemble((result.data["url"], "cyan"), ("  →  ", "dim"), place)


def workers_table(rows: list[dict[str, Any]]) -> Table:
    """Tabulate the workers' status."""
    table = Table(title="The workers", **_STYLE)
    for heading in ("Worker", "Route", "Status", "Memory", "Heartbeat"):
        table.add_column(heading, no_wrap=True)
    for row in rows:
        age_ms = row.get("heartbeatAgeMs")
        table.add_row(
            row["id"],
            row["route"],
            Text(row["status"], "green" if row["ready"] else "dim"),
            _memory(row),
            "" if age_ms is None else f"{age_ms} ms",
        )
    return table


def _memory(row: Mapping[str, Any]) -> str:
    vram = row.get("vram") or {}
    if vram.get("usedMiB") is not None:
        return f"{vram['usedMiB']:,.0f} MiB {vram['device']}"
    return f"{row['rssMiB']:,.0f} MiB cpu" if row.get("rssMiB") is not None else ""


def figures(verification: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Give names and values in words; ``before`` and ``after`` become one line a figure."""
    before, after = verification.get("before") or {}, verification.get("after") or {}
    for name in after:
        yield name, f"{_in_words(before.get(name))} → {_in_words(after[name])}"
    told = {"passed", "achieved", *after}
    if verification["passed"]:
        told.add("reason")
    for name, value in verification.items():
        if name not in told and value is not None and not isinstance(value, (Mapping, list)):
            yield name, _in_words(value)


def _in_words(value: object) -> str:
    if value is None:
        return "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
