"""The one screen of ``studio up``: every process, live; plain lines where there is no terminal."""

import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import psutil
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from studio_pipelines.supervised_process import ProcessState, ProcessStatus

if TYPE_CHECKING:
    from studio_pipelines.stack import Stack

REFRESH_S = 0.5
MIB = 2**20
_STYLES = {
    ProcessState.READY: "green",
    ProcessState.STARTING: "yellow",
    ProcessState.BACKING_OFF: "red",
}


def family_rss_mib(pid: int) -> float:
    """Resident memory of a process and its descendants, in MiB; shared pages count for each."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    total_bytes = 0
    for member in family:
        try:
            total_bytes += member.memory_info().rss
        except psutil.NoSuchProcess:  # it ended since it was listed
            continue
    return total_bytes / MIB


def duration_text(duration_s: float) -> str:
    """A duration for people: ``42 s``, ``3 min``, ``5 h 07 min``."""
    minutes = int(duration_s) // 60
    if minutes == 0:
        return f"{int(duration_s)} s"
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def status_table(statuses: Iterable[ProcessStatus]) -> Table:
    """The processes as a table."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("process", "state"):
        table.add_column(heading)
    for heading in ("pid", "up", "restarts", "MiB"):
        table.add_column(heading, justify="right")
    table.add_column("url")
    for status in statuses:
        running = status.pid is not None
        table.add_row(
            status.name,
            Text(status.state, style=_STYLES.get(status.state, "dim")),
            str(status.pid) if running else "",
            duration_text(status.uptime_s) if running else "",
            str(status.restarts) if status.restarts else "",
            f"{family_rss_mib(status.pid):.0f}" if status.pid is not None else "",
            status.url or "",
        )
    return table


def show(stack: "Stack", stop: threading.Event) -> None:
    """Show the stack until ``stop`` is set, then end it, still showing."""
    console = Console()
    for notice in stack.notices:
        console.print(notice, style="yellow", highlight=False)
    ending = threading.Thread(target=stack.supervisor.stop, name="stop")
    if console.is_terminal:
        _show_screen(console, stack, stop, ending)
    else:
        _show_lines(console, stack, stop, ending)


def _show_screen(
    console: Console, stack: "Stack", stop: threading.Event, ending: threading.Thread
) -> None:
    hint = f"Ctrl-C stops everything · logs in {stack.data_dir / 'logs'}"

    def picture() -> Group:
        footer = "Stopping" if stop.is_set() else hint
        return Group(status_table(stack.supervisor.status()), Text(footer, style="dim"))

    with Live(picture(), console=console, auto_refresh=False) as live:
        while not stop.wait(REFRESH_S):
            live.update(picture(), refresh=True)
        ending.start()
        while ending.is_alive():
            live.update(picture(), refresh=True)
            ending.join(0.1)
        live.update(picture(), refresh=True)


def _show_lines(
    console: Console, stack: "Stack", stop: threading.Event, ending: threading.Thread
) -> None:
    told: Sequence[str] = ()
    while not stop.wait(REFRESH_S):
        told = _tell_changes(console, stack, told)
    ending.start()
    while ending.is_alive():
        told = _tell_changes(console, stack, told)
        ending.join(0.1)
    _tell_changes(console, stack, told)


def _tell_changes(console: Console, stack: "Stack", told: Sequence[str]) -> Sequence[str]:
    lines = [status_line(status) for status in stack.supervisor.status()]
    for line in lines:
        if line not in told:
            console.print(line, highlight=False, soft_wrap=True)
    return lines


def status_line(status: ProcessStatus) -> str:
    """One process as a line that changes only when its state or its process id does."""
    pid = f" (pid {status.pid})" if status.pid is not None else ""
    restarts = f", restarted {status.restarts} times" if status.restarts else ""
    url = f", {status.url}" if status.url and status.state is ProcessState.READY else ""
    return f"{status.name}: {status.state}{pid}{restarts}{url}"
