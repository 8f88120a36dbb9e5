"""The demo's words: tables of what the studio measured and of its workers."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from studio_pipelines.demo.tour import Result

_STYLE: dict[str, Any] = {"box": box.SIMPLE_HEAD, "title_justify": "left", "title_style": "bold"}


def results_table(results: list[Result]) -> Table:
    """Tabulate each job: how long it took and what it measured of its own result."""
    table = Table(title="What the studio measured of its own results", **_STYLE)
    table.add_column("Job", ratio=2)
    table.add_column("Took", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("Measured", ratio=3)
    for result in results:
        verification = result.data["verification"]
        passed = verification.get("passed", True)
        table.add_row(
            Text(result.title, "bold"),
            f"{result.data['timings']['totalMs'] / 1000:.2f} s",
            Text("✓ passed", "green") if passed else Text("✗ not passed", "red"),
            Text("\n").join(
                Text.assemble((f"{name}  ", "dim"), value) for name, value in figures(verification)
            ),
            end_section=True,
        )
    return table


def addresses(results: list[Result]) -> Iterator[Text]:
    """Tell each main asset's address, and where it was saved."""
    for result in results:
        saved = next(iter(result.files.values()))
        place = "/".join(saved.parts[-2:])
        yield Text.assemble((result.data["url"], "cyan"), ("  →  ", "dim"), place)


def workers_table(rows: list[dict[str, Any]]) -> Table:
    """Tabulate the workers' status."""
    table = Table(title="The workers", **_STYLE)
    for heading in ("Worker", "Route", "Status", "Device", "Memory", "Heartbeat"):
        table.add_column(heading, no_wrap=True)
    for row in rows:
        vram = row.get("vram") or {}
        age_ms = row.get("heartbeatAgeMs")
        table.add_row(
            row["id"],
            row["route"],
            Text(row["status"], "green" if row["ready"] else "dim"),
            vram.get("device") or "",
            _memory(row, vram),
            "" if age_ms is None else f"{age_ms} ms ago",
        )
    return table


def _memory(row: Mapping[str, Any], vram: Mapping[str, Any]) -> str:
    if vram.get("usedMiB") is not None:
        return f"{vram['usedMiB']:,.0f} MiB of VRAM"
    return f"{row['rssMiB']:,.0f} MiB" if row.get("rssMiB") is not None else ""


def figures(verification: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Give names and values in words; ``before`` and ``after`` become one line a figure."""
    before, after = verification.get("before") or {}, verification.get("after") or {}
    for name in after:
        yield name, f"{_in_words(before.get(name))} → {_in_words(after[name])}"
    for name, value in verification.items():
        told = name in after or name in ("passed", "achieved") or value is None
        if not told and not isinstance(value, (Mapping, list)):
            yield name, _in_words(value)


def _in_words(value: object) -> str:
    if value is None:
        return "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
