"""The demo's words: tables of what the studio measured and of its workers."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from studio_pipelines.demo.tour import Result


def results_table(results: list[Result]) -> Table:
    """Tabulate each job: its address, how long it took and what it measured of its own result."""
    table = Table(title="What the studio made, and measured of it", title_justify="left")
    table.add_column("Job", ratio=3)
    table.add_column("Took", justify="right", no_wrap=True)
    table.add_column("Measured on the result", ratio=4)
    for result in results:
        took_ms = (result.data.get("timings") or {}).get("totalMs")
        job = Text.assemble((result.title, "bold"), "\n", (result.data["url"], "dim"))
        measured = Text("\n").join(_measured(result.data["verification"]))
        took = "" if took_ms is None else f"{took_ms / 1000:.2f} s"
        table.add_row(job, took, measured, end_section=True)
    return table


def workers_table(rows: list[dict[str, Any]]) -> Table:
    """Tabulate the workers' status."""
    table = Table(title="The workers", title_justify="left")
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


def _measured(verification: Mapping[str, Any]) -> Iterator[Text]:
    passed = verification.get("passed")
    if passed is not None:
        yield Text("passed", "green") if passed else Text("not passed", "red")
    for name, value in _figures(verification):
        yield Text.assemble((f"{name} ", "dim"), value)


def _figures(values: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, str]]:
    """Flatten nested figures to dotted names; what is no figure or short text is left out."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _figures(value, f"{within}{name}.")
        elif isinstance(value, float):
            yield f"{within}{name}", f"{value:.4g}"
        elif isinstance(value, (int, str)) and name not in ("passed", "achieved"):
            yield f"{within}{name}", str(value)
